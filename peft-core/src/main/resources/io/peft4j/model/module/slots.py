# The key-value cache of sequences that come and go; KeyValueSlots says what the functions are for.
class Slots(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Slots, x: Tensor) -> Tensor:
    return x
  # part [r, h, n, d]: its tokens 'source' of the r n go to (slot, column) of buffer [slots, h, capacity, d]
  def write(self: __torch__.Slots, part: Tensor, buffer: Tensor, source: Tensor, slot: Tensor, column: Tensor, seen: Tensor) -> Tensor:
    tokens = torch.reshape(torch.transpose(part, 1, 2), [-1, torch.size(part, 1), torch.size(part, 3)])
    cells = torch.transpose(buffer, 1, 2)
    _0 = torch.index_put_(cells, annotate(List[Optional[Tensor]], [slot, column]), torch.index_select(tokens, 0, source))
    return torch.narrow(torch.narrow(buffer, 0, int(seen[0]), int(seen[1])), 2, 0, int(seen[2]))
  def zeros(self: __torch__.Slots, part: Tensor, slots: Tensor, capacity: Tensor) -> Tensor:
    return torch.zeros([int(slots), torch.size(part, 1), int(capacity), torch.size(part, 3)], dtype=part.dtype, device=part.device)
  # as much of 'old' as there is room for
  def resized(self: __torch__.Slots, old: Tensor, slots: Tensor, capacity: Tensor) -> Tensor:
    new = self.zeros(old, slots, capacity)
    n = ops.prim.min(torch.size(old, 0), int(slots))
    m = ops.prim.min(torch.size(old, 2), int(capacity))
    _0 = torch.copy_(torch.narrow(torch.narrow(new, 0, 0, n), 2, 0, m), torch.narrow(torch.narrow(old, 0, 0, n), 2, 0, m))
    return new
  def move(self: __torch__.Slots, buffer: Tensor, start: Tensor, end: Tensor, columns: Tensor) -> Tensor:
    source = torch.narrow(torch.select(buffer, 0, int(start)), 1, 0, int(columns))
    return torch.copy_(torch.narrow(torch.select(buffer, 0, int(end)), 1, 0, int(columns)), source)
  def swap(self: __torch__.Slots, buffer: Tensor, one: Tensor, other: Tensor, columns: Tensor) -> Tensor:
    a = torch.narrow(torch.select(buffer, 0, int(one)), 1, 0, int(columns))
    b = torch.narrow(torch.select(buffer, 0, int(other)), 1, 0, int(columns))
    kept = torch.clone(a)
    _0 = torch.copy_(a, b)
    return torch.copy_(b, kept)
  def clear(self: __torch__.Slots, buffer: Tensor, slot: Tensor) -> Tensor:
    return torch.zero_(torch.select(buffer, 0, int(slot)))
