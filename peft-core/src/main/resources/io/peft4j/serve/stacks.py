# Factors and heads of several adapters in one pass; StackOps says what the functions are for.
class Stacks(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Stacks, x: Tensor) -> Tensor:
    return x
  # [n, .., ..] with old in it
  def grown(self: __torch__.Stacks, old: Tensor, shape: Tensor) -> Tensor:
    new = torch.zeros([int(shape[0]), int(shape[1]), int(shape[2])], dtype=old.dtype, device=old.device)
    part = torch.narrow(new, 0, 0, torch.size(old, 0))
    part = torch.narrow(part, 1, 0, torch.size(old, 1))
    _0 = torch.copy_(torch.narrow(part, 2, 0, torch.size(old, 2)), old)
    return new
  def clear(self: __torch__.Stacks, stack: Tensor, at: Tensor) -> Tensor:
    return torch.zero_(torch.select(stack, 0, int(at)))
  # a [r, in] into stack [n, R, in]
  def put(self: __torch__.Stacks, stack: Tensor, at: Tensor, a: Tensor) -> Tensor:
    _0 = torch.zero_(torch.select(stack, 0, int(at)))
    return torch.copy_(torch.narrow(torch.select(stack, 0, int(at)), 0, 0, torch.size(a, 0)), a)
  # b [out, r], turned and scaled, into stack [n, R, out]
  def put_scaled(self: __torch__.Stacks, stack: Tensor, at: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    _0 = torch.zero_(torch.select(stack, 0, int(at)))
    turned = torch.mul(torch.transpose(b, 0, 1), float(scale))
    return torch.copy_(torch.narrow(torch.select(stack, 0, int(at)), 0, 0, torch.size(b, 1)), turned)
  def move(self: __torch__.Stacks, stack: Tensor, start: Tensor, end: Tensor) -> Tensor:
    return torch.copy_(torch.select(stack, 0, int(end)), torch.select(stack, 0, int(start)))
  def swap(self: __torch__.Stacks, stack: Tensor, one: Tensor, other: Tensor) -> Tensor:
    kept = torch.clone(torch.select(stack, 0, int(one)))
    _0 = torch.copy_(torch.select(stack, 0, int(one)), torch.select(stack, 0, int(other)))
    return torch.copy_(torch.select(stack, 0, int(other)), kept)
  # entries [first, first + count) of a stack, up to rank; with count 0 the first alone, without that dimension
  def part(self: __torch__.Stacks, stack: Tensor, range: Tensor) -> Tensor:
    whole = torch.narrow(stack, 1, 0, int(range[2]))
    if torch.eq(int(range[1]), 0):
      part = torch.select(whole, 0, int(range[0]))
    else:
      part = torch.narrow(whole, 0, int(range[0]), int(range[1]))
    return part
  # few tokens are multiplied in float32, which takes less than half the time of bfloat16 for them
  def products(self: __torch__.Stacks, y: Tensor, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    turned = torch.transpose(a, 1, 2)
    if torch.le(torch.size(x, 1), 4):
      sum = torch.add_(y, torch.bmm(torch.bmm(torch.to(x, 6), turned), b))
    else:
      sum = torch.baddbmm_(y, torch.bmm(x, torch.to(turned, x.dtype)), torch.to(b, x.dtype))
    return sum
  # x [n, l, in] or [n, in], row i with a[i] [R, in] and b[i] [R, out]
  def by_row(self: __torch__.Stacks, y: Tensor, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    if torch.eq(torch.dim(x), 2):
      sum = torch.squeeze(self.products(torch.unsqueeze(y, 1), torch.unsqueeze(x, 1), a, b), 1)
    else:
      sum = self.products(y, x, a, b)
    return sum
  # all rows with a [R, in] and b [R, out]
  def by_one(self: __torch__.Stacks, y: Tensor, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    rows = torch.reshape(x, [-1, torch.size(x, -1)])
    flat = torch._unsafe_view(y, [-1, torch.size(y, -1)])
    if torch.le(torch.size(rows, 0), 32):
      sum = torch.add_(flat, torch.mm(torch.mm(torch.to(rows, 6), torch.t(a)), b))
    else:
      sum = torch.addmm_(flat, torch.linear(rows, torch.to(a, x.dtype)), torch.to(b, x.dtype))
    return torch._unsafe_view(sum, y.shape)
  # x [n, l, in] or [n, in], entry i with what is at group[i], up to rank
  def by_group(self: __torch__.Stacks, y: Tensor, x: Tensor, a: Tensor, b: Tensor, group: Tensor, rank: Tensor) -> Tensor:
    own_a = torch.index_select(torch.narrow(a, 1, 0, int(rank)), 0, group)
    own_b = torch.index_select(torch.narrow(b, 1, 0, int(rank)), 0, group)
    return self.by_row(y, x, own_a, own_b)
  # a layer of its own for each entry: weights [n, out, in + 1], the bias last
  def whole(self: __torch__.Stacks, x: Tensor, weights: Tensor, group: Tensor) -> Tensor:
    own = torch.index_select(weights, 0, group)
    n = torch.size(x, -1)
    w = torch.transpose(torch.narrow(own, 2, 0, n), 1, 2)
    bias = torch.transpose(torch.narrow(own, 2, n, 1), 1, 2)
    if torch.eq(torch.dim(x), 2):
      y = torch.squeeze(torch.baddbmm(bias, torch.unsqueeze(x, 1), w), 1)
    else:
      y = torch.baddbmm(bias, x, w)
    return y
  # weight [out, in] and bias [out] into stack [n, out, in + 1]
  def put_whole(self: __torch__.Stacks, stack: Tensor, at: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    place = torch.select(stack, 0, int(at))
    _0 = torch.zero_(place)
    part = torch.narrow(place, 0, 0, torch.size(weight, 0))
    n = torch.size(weight, 1)
    _1 = torch.copy_(torch.narrow(part, 1, 0, n), weight)
    return torch.copy_(torch.select(part, 1, n), bias)
