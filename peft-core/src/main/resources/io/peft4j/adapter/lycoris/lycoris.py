# LoHa and LoKr; see LycorisOps.
class Lycoris(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Lycoris, x: Tensor) -> Tensor:
    return x
  def hadamard(self: __torch__.Lycoris, like: Tensor, a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor, scale: Tensor) -> Tensor:
    return torch.mul(torch.mul(torch.matmul(a1, b1), torch.matmul(a2, b2)), float(scale))
  def kron(self: __torch__.Lycoris, like: Tensor, first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    return torch.mul(torch.kron(first, second), float(scale))
  def matmul(self: __torch__.Lycoris, like: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.matmul(a, b)
