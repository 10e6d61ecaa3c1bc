# OFT. terms: how many of the Neumann series of Cayley's transform, as peft counts them; 0 for all.
class Oft(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Oft, x: Tensor) -> Tensor:
    return x
  # angles [n, b (b - 1) / 2] to n blocks [b, b]
  def blocks(self: __torch__.Oft, angles: Tensor, index: Tensor, terms: Tensor) -> Tensor:
    n = torch.size(angles, 0)
    b = torch.size(index, 0)
    zero = torch.zeros([n, 1], dtype=angles.dtype, device=angles.device)
    signed = torch.cat([zero, angles, torch.neg(angles)], 1)
    q = torch.reshape(torch.index_select(signed, 1, torch.reshape(index, [-1])), [n, b, b])
    one = torch.expand(torch.unsqueeze(torch.eye(b, device=angles.device), 0), [n, -1, -1])
    count = int(terms)
    if torch.eq(count, 0):
      r = torch.linalg_solve(torch.add(one, q), torch.sub(one, q), left=False)
    else:
      r = one
      if torch.gt(count, 1):
        r = torch.add(r, q, alpha=2)
      if torch.gt(count, 2):
        power = torch.bmm(q, q)
        r = torch.add(r, power, alpha=2)
        for i in range(torch.sub(count, 4)):
          power = torch.bmm(power, q)
          r = torch.add(r, power, alpha=2)
        r = torch.add(r, torch.bmm(power, q))
    return r
  # each row of x [.., in] by blocks of b
  def turned(self: __torch__.Oft, x: Tensor, r: Tensor) -> Tensor:
    rows = torch.reshape(x, [-1, torch.floordiv(torch.size(x, -1), torch.size(r, -1)), torch.size(r, -1)])
    by_block = torch.matmul(torch.transpose(rows, 0, 1), r)
    return torch.reshape(torch.transpose(by_block, 0, 1), x.shape)
  def rotated(self: __torch__.Oft, x: Tensor, angles: Tensor, index: Tensor, terms: Tensor) -> Tensor:
    return torch.to(self.turned(torch.to(x, angles.dtype), self.blocks(angles, index, terms)), x.dtype)
  # W R', whose product with x is that of W with the rotated x
  def merged(self: __torch__.Oft, weight: Tensor, angles: Tensor, index: Tensor, terms: Tensor) -> Tensor:
    return self.turned(weight, torch.transpose(self.blocks(angles, index, terms), 1, 2))
