# AdaLoRA; see AdaLoraOps.
class AdaLora(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.AdaLora, x: Tensor) -> Tensor:
    return x
  def triplet_lora(self: __torch__.AdaLora, y: Tensor, x: Tensor, a: Tensor, e: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    low = torch.linear(x, torch.to(torch.mul(a, e), x.dtype))
    return torch.add(y, torch.mul(torch.linear(low, torch.to(b, x.dtype)), float(scale)))
  def triplet_delta(self: __torch__.AdaLora, like: Tensor, a: Tensor, e: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    return torch.mul(torch.matmul(b, torch.mul(a, e)), float(scale))
  def orthogonality(self: __torch__.AdaLora, p: Tensor) -> Tensor:
    gram = torch.matmul(p, torch.transpose(p, 0, 1))
    return torch.linalg_vector_norm(torch.sub(gram, torch.eye(torch.size(gram, 0), device=gram.device)))
  def column_orthogonality(self: __torch__.AdaLora, p: Tensor) -> Tensor:
    return self.orthogonality(torch.transpose(p, 0, 1))
  # hyper: factor on the gradient, beta1, beta2
  def observe_importance(self: __torch__.AdaLora, p: Tensor, grad: Tensor, sensitivity: Tensor, uncertainty: Tensor, hyper: Tensor) -> Tensor:
    now = torch.abs(torch.mul(torch.mul(p, grad), float(hyper[0])))
    _0 = torch.lerp_(sensitivity, now, torch.sub(1., float(hyper[1])))
    deviation = torch.abs(torch.sub(now, sensitivity))
    _1 = torch.lerp_(uncertainty, deviation, torch.sub(1., float(hyper[2])))
    return hyper
