# Factors and heads of several adapters in one pass; StackOps says what the functions are for.
class Stacks(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Stacks, x: Tensor) -> Tensor:
    return x
  # [n, .., ..] of like's type, with as much of old as there is room for
  def grown(self: __torch__.Stacks, like: Tensor, old: Tensor, shape: Tensor) -> Tensor:
    new = torch.zeros([int(shape[0]), int(shape[1]), int(shape[2])], dtype=like.dtype, device=like.device)
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
  # range: first row, rows, rank. x [n, l, in] or [n, in], row i with a[first + i] [R, in] and b[first + i] [R, out]
  def by_row(self: __torch__.Stacks, y: Tensor, x: Tensor, a: Tensor, b: Tensor, range: Tensor) -> Tensor:
    first = int(range[0])
    rows = int(range[1])
    rank = int(range[2])
    own_a = torch.transpose(torch.narrow(torch.narrow(a, 0, first, rows), 1, 0, rank), 1, 2)
    own_b = torch.narrow(torch.narrow(b, 0, first, rows), 1, 0, rank)
    if torch.eq(torch.dim(x), 2):
      _0 = torch.baddbmm_(torch.unsqueeze(y, 1), torch.bmm(torch.unsqueeze(x, 1), own_a), own_b)
    else:
      _0 = torch.baddbmm_(y, torch.bmm(x, own_a), own_b)
    return torch.alias(y)
  # all rows with the factors of one
  def by_one(self: __torch__.Stacks, y: Tensor, x: Tensor, a: Tensor, b: Tensor, range: Tensor) -> Tensor:
    rank = int(range[2])
    own_a = torch.narrow(torch.select(a, 0, int(range[0])), 0, 0, rank)
    own_b = torch.narrow(torch.select(b, 0, int(range[0])), 0, 0, rank)
    low = torch.linear(torch.reshape(x, [-1, torch.size(x, -1)]), own_a)
    _0 = torch.addmm_(torch.view(y, [-1, torch.size(y, -1)]), low, own_b)
    return torch.alias(y)
  # x [n, l, in] or [n, in], entry i with what is at group[i]
  def by_group(self: __torch__.Stacks, y: Tensor, x: Tensor, a: Tensor, b: Tensor, group: Tensor, range: Tensor) -> Tensor:
    rank = int(range[2])
    own_a = torch.transpose(torch.index_select(torch.narrow(a, 1, 0, rank), 0, group), 1, 2)
    own_b = torch.index_select(torch.narrow(b, 1, 0, rank), 0, group)
    if torch.eq(torch.dim(x), 2):
      _0 = torch.baddbmm_(torch.unsqueeze(y, 1), torch.bmm(torch.unsqueeze(x, 1), own_a), own_b)
    else:
      _0 = torch.baddbmm_(y, torch.bmm(x, own_a), own_b)
    return torch.alias(y)
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
