# Prompts; see PromptOps.
class Prompt(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Prompt, x: Tensor) -> Tensor:
    return x
  # y with the row -1 - offset - k of rows [n, d] where ids are k
  def virtual_rows(self: __torch__.Prompt, ids: Tensor, y: Tensor, rows: Tensor, offset: Tensor) -> Tensor:
    index = torch.sub(torch.neg(ids), torch.add(1, int(offset)))
    n = torch.size(rows, 0)
    own = torch.logical_and(torch.ge(index, 0), torch.lt(index, n))
    picked = torch.embedding(torch.to(rows, y.dtype), torch.clamp(index, 0, torch.sub(n, 1)))
    return torch.where(torch.unsqueeze(own, -1), picked, y)
  # torch.lstm by hand: its fast path without a graph, in oneDNN, gives other numbers
  def lstm_pass(self: __torch__.Prompt, x: Tensor, wi: Tensor, wh: Tensor, bi: Tensor, bh: Tensor, last: int, step: int) -> Tensor:
    inputs = torch.linear(x, wi, bi)
    n = torch.size(x, 0)
    h = torch.zeros([1, torch.size(wh, 1)], dtype=x.dtype, device=x.device)
    c = h
    states = annotate(List[Tensor], [])
    for i in range(n):
      t = torch.add(last, torch.mul(step, i))
      gates = torch.chunk(torch.add(torch.narrow(inputs, 0, t, 1), torch.linear(h, wh, bh)), 4, 1)
      kept = torch.mul(torch.sigmoid(gates[1]), c)
      c = torch.add(kept, torch.mul(torch.sigmoid(gates[0]), torch.tanh(gates[2])))
      h = torch.mul(torch.sigmoid(gates[3]), torch.tanh(c))
      _0 = torch.append(states, h)
    return torch.cat(states, 0)
  def lstm(self: __torch__.Prompt, x: Tensor, wi: Tensor, wh: Tensor, bi: Tensor, bh: Tensor, rwi: Tensor, rwh: Tensor, rbi: Tensor, rbh: Tensor) -> Tensor:
    forth = self.lstm_pass(x, wi, wh, bi, bh, 0, 1)
    back = self.lstm_pass(x, rwi, rwh, rbi, rbh, torch.sub(torch.size(x, 0), 1), -1)
    return torch.cat([forth, torch.flip(back, [0])], 1)
