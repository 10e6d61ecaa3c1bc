# VeRA; see VeraOps.
class Vera(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Vera, x: Tensor) -> Tensor:
    return x
  def vera(self: __torch__.Vera, y: Tensor, x: Tensor, a: Tensor, b: Tensor, d: Tensor, lambda_b: Tensor) -> Tensor:
    low = torch.linear(x, torch.to(torch.narrow(a, 1, 0, torch.size(x, -1)), x.dtype))
    low = torch.mul(low, torch.to(d, x.dtype))
    up = torch.linear(low, torch.to(torch.narrow(b, 0, 0, torch.size(y, -1)), x.dtype))
    return torch.add(y, torch.mul(up, torch.to(lambda_b, x.dtype)))
  def vera_delta(self: __torch__.Vera, weight: Tensor, a: Tensor, b: Tensor, d: Tensor, lambda_b: Tensor) -> Tensor:
    left = torch.mul(torch.narrow(b, 0, 0, torch.size(weight, 0)), torch.unsqueeze(lambda_b, 1))
    right = torch.mul(torch.narrow(a, 1, 0, torch.size(weight, 1)), torch.unsqueeze(d, 1))
    return torch.matmul(left, right)
