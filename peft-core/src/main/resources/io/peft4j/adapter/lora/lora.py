# LoRA and DoRA; Java methods of the same names in LoraOps say what they do.
class Lora(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Lora, x: Tensor) -> Tensor:
    return x
  def low_rank(self: __torch__.Lora, x: Tensor, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    low = torch.linear(x, torch.to(a, x.dtype))
    return torch.mul(torch.linear(low, torch.to(b, x.dtype)), float(scale))
  # into y, which no graph keeps; not through a tracked view, whose gradient would be copied
  def lora(self: __torch__.Lora, y: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    low = torch.mul(torch.linear(x, torch.to(a, x.dtype)), float(scale))
    flat = torch._unsafe_view(y, [-1, torch.size(y, -1)])
    up = torch.transpose(torch.to(b, x.dtype), 0, 1)
    sum = torch.addmm_(flat, torch.reshape(low, [-1, torch.size(low, -1)]), up)
    return torch._unsafe_view(sum, y.shape)
  def lora_bias(self: __torch__.Lora, y: Tensor, x: Tensor, a: Tensor, b: Tensor, bias: Tensor, scale: Tensor) -> Tensor:
    low = torch.linear(x, torch.to(a, x.dtype))
    up = torch.linear(low, torch.to(b, x.dtype), torch.to(bias, x.dtype))
    return torch.add(y, torch.mul(up, float(scale)))
  def lora_embedding(self: __torch__.Lora, ids: Tensor, y: Tensor, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    low = torch.embedding(torch.transpose(a, 0, 1), ids)
    return torch.add(y, torch.to(torch.mul(torch.linear(low, b), float(scale)), y.dtype))
  # magnitude over the length of each row of W + scale b a; no gradient goes through the length.
  # |w + s d|^2 = |w|^2 + 2 s w.d + s^2 |d|^2, where w.d and |d|^2 need W a' (given as its transpose) and a a' only
  def dora_factor(self: __torch__.Lora, a: Tensor, b: Tensor, scale: Tensor, magnitude: Tensor, squares: Tensor, aw: Tensor) -> Tensor:
    s = float(scale)
    ad = torch.detach(a)
    bd = torch.detach(b)
    cross = torch.sum(torch.mul(torch.transpose(aw, 0, 1), bd), [1])
    own = torch.sum(torch.mul(torch.matmul(bd, torch.matmul(ad, torch.transpose(ad, 0, 1))), bd), [1])
    square = torch.add(torch.add(squares, torch.mul(cross, torch.mul(s, 2.))), torch.mul(own, torch.mul(s, s)))
    return torch.div(magnitude, torch.sqrt(square))
  def dora(self: __torch__.Lora, y: Tensor, base: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: Tensor, magnitude: Tensor, squares: Tensor, aw: Tensor) -> Tensor:
    factor = self.dora_factor(a, b, scale, magnitude, squares, torch.to(aw, 6))
    up = self.low_rank(x, a, b, scale)
    change = torch.add(torch.mul(base, torch.sub(torch.to(factor, x.dtype), 1)), torch.mul(up, torch.to(factor, x.dtype)))
    return torch.add(y, torch.to(change, y.dtype))
  # without dropout; what is added to y is small and summed first, since bfloat16 would round it off
  def dora_around(self: __torch__.Lora, y: Tensor, rest: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: Tensor, factor: Tensor) -> Tensor:
    return torch.add(y, self.lora(rest, x, a, torch.mul(b, torch.unsqueeze(factor, 1)), scale))
  def dora_whole(self: __torch__.Lora, y: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: Tensor, magnitude: Tensor, squares: Tensor, aw: Tensor) -> Tensor:
    factor = self.dora_factor(a, b, scale, magnitude, squares, torch.to(aw, 6))
    rest = torch.mul(y, torch.to(torch.sub(factor, 1), y.dtype))
    return self.dora_around(y, rest, x, a, b, scale, factor)
  def dora_whole_bias(self: __torch__.Lora, y: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: Tensor, magnitude: Tensor, squares: Tensor, aw: Tensor, bias: Tensor) -> Tensor:
    factor = self.dora_factor(a, b, scale, magnitude, squares, torch.to(aw, 6))
    change = torch.to(torch.sub(factor, 1), y.dtype)
    rest = torch.addcmul(torch.neg(torch.mul(change, torch.to(bias, y.dtype))), y, change)
    return self.dora_around(y, rest, x, a, b, scale, factor)
  def dora_embedding(self: __torch__.Lora, ids: Tensor, y: Tensor, a: Tensor, b: Tensor, scale: Tensor, magnitude: Tensor, squares: Tensor, table: Tensor) -> Tensor:
    aw = torch.matmul(torch.detach(a), torch.to(table, 6))
    factor = self.dora_factor(a, b, scale, magnitude, squares, aw)
    low = torch.embedding(torch.transpose(a, 0, 1), ids)
    up = torch.mul(torch.linear(low, b), float(scale))
    return torch.to(torch.mul(torch.add(torch.to(y, 6), up), factor), y.dtype)
  # x [n, l, in] or [n, in], each of the n with its own of a [k, r, in] and b [k, out, r]
  def routed_lora(self: __torch__.Lora, y: Tensor, x: Tensor, a: Tensor, b: Tensor, group: Tensor) -> Tensor:
    flat = torch.eq(torch.dim(x), 2)
    own_a = torch.transpose(torch.to(torch.index_select(a, 0, group), x.dtype), 1, 2)
    own_b = torch.transpose(torch.to(torch.index_select(b, 0, group), x.dtype), 1, 2)
    if flat:
      sum = torch.squeeze(torch.baddbmm(torch.unsqueeze(y, 1), torch.bmm(torch.unsqueeze(x, 1), own_a), own_b), 1)
    else:
      sum = torch.baddbmm(y, torch.bmm(x, own_a), own_b)
    return sum
  def routed_linear(self: __torch__.Lora, x: Tensor, w: Tensor, group: Tensor) -> Tensor:
    own = torch.transpose(torch.to(torch.index_select(w, 0, group), x.dtype), 1, 2)
    if torch.eq(torch.dim(x), 2):
      y = torch.squeeze(torch.bmm(torch.unsqueeze(x, 1), own), 1)
    else:
      y = torch.bmm(x, own)
    return y
  def routed_bias(self: __torch__.Lora, y: Tensor, bias: Tensor, group: Tensor) -> Tensor:
    own = torch.to(torch.index_select(bias, 0, group), y.dtype)
    if torch.eq(torch.dim(y), 3):
      sum = torch.add(y, torch.unsqueeze(own, 1))
    else:
      sum = torch.add(y, own)
    return sum
