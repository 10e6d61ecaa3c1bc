# What DJL's NDArray API lacks, in TorchScript. libtorch compiles this file when it is first needed;
# Java methods of the same names in Ops, AttentionOps and TrainingOps say what they do. Methods of
# adapting have files of their own beside them.
# Arguments are tensors or lists of tensors; a scalar comes as a 0-d tensor on the CPU.
class Ops(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Ops, x: Tensor) -> Tensor:
    return x

  # --- element types (15 is bfloat16, 6 is float32) ---------------------------------------------
  def to_bfloat16(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.to(x, 15)
  def to_float32(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.to(x, 6)
  def typed_like(self: __torch__.Ops, like: Tensor, x: Tensor) -> Tensor:
    return torch.to(x, like.dtype)
  def empty(self: __torch__.Ops, like: Tensor, shape: Tensor, dtype: Tensor) -> Tensor:
    sizes = annotate(List[int], [])
    for i in range(torch.size(shape, 0)):
      _0 = torch.append(sizes, int(shape[i]))
    return torch.empty(sizes, dtype=int(dtype), device=like.device)
  def empty_like(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.empty_like(torch.detach(x))

  # --- devices ----------------------------------------------------------------------------------
  def on_host(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.contiguous(torch._to_copy(torch.detach(x), device=torch.device("cpu")))
  def on_device(self: __torch__.Ops, like: Tensor, x: Tensor) -> Tensor:
    return torch._to_copy(torch.detach(x), device=like.device)
  def overwrite(self: __torch__.Ops, x: Tensor, values: Tensor) -> Tensor:
    return torch.copy_(torch.detach(x), values)
  def zeroed(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.zero_(torch.detach(x))
  def pinned(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.pin_memory(x)
  def on_device_soon(self: __torch__.Ops, like: Tensor, x: Tensor) -> Tensor:
    return torch._to_copy(torch.detach(x), device=like.device, non_blocking=True)
  # DropoutMask's hash of 32 bits, in int64; settings: threshold, scale, the key's lower and upper half
  def dropout_mask(self: __torch__.Ops, x: Tensor, settings: Tensor) -> Tensor:
    n = torch.numel(x)
    h = torch.arange(torch.floordiv(torch.add(n, 1), 2), dtype=4, device=x.device)
    h = torch.bitwise_xor(h, int(settings[2]))
    h = torch.mul(torch.bitwise_xor(h, torch.bitwise_right_shift(h, 16)), 569420461)
    h = torch.bitwise_and(h, 4294967295)
    h = torch.add(torch.bitwise_xor(h, torch.bitwise_right_shift(h, 15)), int(settings[3]))
    h = torch.bitwise_and(torch.mul(torch.bitwise_and(h, 4294967295), 3545902487), 4294967295)
    h = torch.mul(torch.bitwise_xor(h, torch.bitwise_right_shift(h, 16)), 569420461)
    h = torch.bitwise_and(h, 4294967295)
    h = torch.bitwise_xor(h, torch.bitwise_right_shift(h, 15))
    pair = torch.stack([torch.bitwise_and(h, 65535), torch.bitwise_right_shift(h, 16)], -1)
    kept = torch.ge(torch.narrow(torch.flatten(pair), 0, 0, n), int(settings[0]))
    return torch.reshape(torch.mul(torch.to(kept, x.dtype), float(settings[1])), x.shape)

  # --- shapes and rows --------------------------------------------------------------------------
  def detach(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.detach(x)
  def detached_like(self: __torch__.Ops, like: Tensor, x: Tensor) -> Tensor:
    return torch.to(torch.detach(x), like.dtype)
  def rows(self: __torch__.Ops, x: Tensor, index: Tensor) -> Tensor:
    flat = torch.reshape(x, [-1, torch.size(x, -1)])
    picked = torch.index_select(flat, 0, torch.reshape(index, [-1]))
    return torch.reshape(picked, torch.add(torch.slice(index.shape), [torch.size(x, -1)]))

  # --- activations ------------------------------------------------------------------------------
  def gelu_tanh(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.gelu(x, approximate="tanh")
  def sigmoid(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.sigmoid(x)
  def leaky_relu(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.leaky_relu(x)
  def silu(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.silu(x)

  # --- attention --------------------------------------------------------------------------------
  def encoder_mask(self: __torch__.Ops, query: Tensor, key: Tensor) -> Tensor:
    differ = torch.ne(torch.unsqueeze(query, -1), torch.unsqueeze(key, -2))
    zero = torch.zeros(differ.shape, dtype=6, device=differ.device)
    return torch.unsqueeze(torch.masked_fill(zero, differ, -1e30), 1)
  def split_heads(self: __torch__.Ops, x: Tensor, heads: int) -> Tensor:
    return torch.transpose(torch.reshape(x, [torch.size(x, 0), torch.size(x, 1), heads, -1]), 1, 2)
  def merge_heads(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.reshape(torch.transpose(x, 1, 2), [torch.size(x, 0), torch.size(x, 2), -1])
  def attention(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, heads: Tensor) -> Tensor:
    h = int(heads)
    y = torch.scaled_dot_product_attention(self.split_heads(q, h), self.split_heads(k, h), self.split_heads(v, h), mask)
    return self.merge_heads(y)
  def product(self: __torch__.Ops, q: Tensor, k: Tensor, heads: Tensor) -> Tensor:
    h = int(heads)
    qh = self.split_heads(q, h)
    scale = torch.pow(float(torch.size(qh, -1)), -0.5)
    return torch.matmul(torch.mul(qh, scale), torch.transpose(self.split_heads(k, h), -2, -1))
  def masked_softmax(self: __torch__.Ops, s: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(torch.add(s, mask), -1)
  def scores(self: __torch__.Ops, q: Tensor, k: Tensor, mask: Tensor, heads: Tensor) -> Tensor:
    return self.masked_softmax(self.product(q, k, heads), mask)
  def weigh(self: __torch__.Ops, p: Tensor, v: Tensor, heads: Tensor) -> Tensor:
    return self.merge_heads(torch.matmul(p, self.split_heads(v, int(heads))))

  # --- decoders ---------------------------------------------------------------------------------
  # in float32, but nothing of x's size is kept in float32 for the backward pass
  def normalized(self: __torch__.Ops, x: Tensor, epsilon: Tensor) -> Tensor:
    length = torch.linalg_vector_norm(x, 2, [-1], True, dtype=6)
    mean = torch.div(torch.square(length), torch.size(x, -1))
    return torch.mul(x, torch.rsqrt(torch.add(mean, float(epsilon))))
  def rms_norm(self: __torch__.Ops, x: Tensor, weight: Tensor, epsilon: Tensor) -> Tensor:
    return torch.mul(torch.to(self.normalized(x, epsilon), x.dtype), weight)
  def rms_norm_offset(self: __torch__.Ops, x: Tensor, weight: Tensor, epsilon: Tensor) -> Tensor:
    return torch.to(torch.mul(self.normalized(x, epsilon), torch.add(torch.to(weight, 6), 1)), x.dtype)
  def causal_mask(self: __torch__.Ops, owner: Tensor, key: Tensor, position: Tensor, key_position: Tensor, window: Tensor) -> Tensor:
    ahead = torch.sub(torch.unsqueeze(position, -1), torch.unsqueeze(key_position, -2))
    hidden = torch.logical_or(torch.ne(torch.unsqueeze(owner, -1), torch.unsqueeze(key, -2)), torch.lt(ahead, 0))
    hidden = torch.logical_or(hidden, torch.ge(ahead, int(window)))
    zero = torch.zeros(hidden.shape, dtype=6, device=hidden.device)
    return torch.unsqueeze(torch.masked_fill(zero, hidden, -1e30), 1)
  def angles(self: __torch__.Ops, positions: Tensor, frequencies: Tensor) -> Tensor:
    return torch.unsqueeze(torch.mul(torch.unsqueeze(torch.to(positions, 6), -1), frequencies), 1)
  def heads(self: __torch__.Ops, x: Tensor, heads: Tensor) -> Tensor:
    return self.split_heads(x, int(heads))
  # cos and sin [r, 1, l, n/2] turn the first n elements of each head, element i with element i + n/2
  def turned(self: __torch__.Ops, a: Tensor, b: Tensor, cos: Tensor, sin: Tensor) -> List[Tensor]:
    turned_a = torch.addcmul(torch.mul(a, cos), b, sin, value=-1)
    turned_b = torch.addcmul(torch.mul(b, cos), a, sin)
    return [turned_a, turned_b]
  def rotate(self: __torch__.Ops, x: Tensor, cos: Tensor, sin: Tensor, heads: Tensor) -> Tensor:
    y = self.split_heads(x, int(heads))
    half = torch.size(cos, -1)
    rest = torch.sub(torch.size(y, -1), torch.mul(half, 2))
    parts = torch.split_with_sizes(y, [half, half, rest], -1)
    return torch.cat(torch.add(self.turned(parts[0], parts[1], cos, sin), [parts[2]]), -1)
  def rotate_all(self: __torch__.Ops, x: Tensor, cos: Tensor, sin: Tensor, heads: Tensor) -> Tensor:
    parts = torch.chunk(self.split_heads(x, int(heads)), 2, -1)
    return torch.cat(self.turned(parts[0], parts[1], cos, sin), -1)
  # queries that share a key head are stacked, so that keys need not be repeated
  def stack(self: __torch__.Ops, x: Tensor, heads: int) -> Tensor:
    return torch.reshape(x, [torch.size(x, 0), heads, -1, torch.size(x, -1)])
  def grouped_product(self: __torch__.Ops, q: Tensor, k: Tensor, scale: Tensor) -> Tensor:
    s = torch.matmul(self.stack(torch.mul(q, float(scale)), torch.size(k, 1)), torch.transpose(k, -2, -1))
    return torch.reshape(s, [torch.size(q, 0), torch.size(q, 1), torch.size(q, 2), -1])
  def grouped_scores(self: __torch__.Ops, q: Tensor, k: Tensor, mask: Tensor, scale: Tensor) -> Tensor:
    return self.masked_softmax(self.grouped_product(q, k, scale), mask)
  def capped_scores(self: __torch__.Ops, q: Tensor, k: Tensor, mask: Tensor, scale: Tensor, cap: Tensor) -> Tensor:
    return self.masked_softmax(self.soft_cap(self.grouped_product(q, k, scale), cap), mask)
  def grouped_weigh(self: __torch__.Ops, p: Tensor, v: Tensor) -> Tensor:
    y = torch.matmul(self.stack(p, torch.size(v, 1)), v)
    return self.merge_heads(torch.reshape(y, [torch.size(p, 0), torch.size(p, 1), torch.size(p, 2), -1]))
  def repeat_heads(self: __torch__.Ops, x: Tensor, times: int) -> Tensor:
    wide = torch.expand(torch.unsqueeze(x, 2), [-1, -1, times, -1, -1])
    return torch.reshape(wide, [torch.size(x, 0), -1, torch.size(x, 2), torch.size(x, 3)])
  def grouped_attention(self: __torch__.Ops, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: Tensor) -> Tensor:
    times = torch.floordiv(torch.size(q, 1), torch.size(k, 1))
    y = torch.scaled_dot_product_attention(q, self.repeat_heads(k, times), self.repeat_heads(v, times), mask, scale=float(scale))
    return self.merge_heads(y)
  def split(self: __torch__.Ops, x: Tensor, sizes: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    parts = torch.split_with_sizes(x, [int(sizes[0]), int(sizes[1]), int(sizes[2])], -1)
    return (parts[0], parts[1], parts[2])
  def split_in_heads(self: __torch__.Ops, x: Tensor, heads: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    parts = torch.chunk(torch.reshape(x, [torch.size(x, 0), torch.size(x, 1), int(heads), -1]), 3, -1)
    return (torch.flatten(parts[0], 2), torch.flatten(parts[1], 2), torch.flatten(parts[2], 2))
  def halves(self: __torch__.Ops, x: Tensor) -> Tuple[Tensor, Tensor]:
    parts = torch.chunk(x, 2, -1)
    return (parts[0], parts[1])
  def soft_cap(self: __torch__.Ops, x: Tensor, cap: Tensor) -> Tensor:
    return torch.mul(torch.tanh(torch.div(x, float(cap))), float(cap))
  def put(self: __torch__.Ops, buffer: Tensor, part: Tensor, offset: Tensor) -> Tensor:
    return torch.copy_(torch.narrow(buffer, 2, int(offset), torch.size(part, 2)), part)
  def buffer(self: __torch__.Ops, part: Tensor, capacity: Tensor) -> Tensor:
    return torch.zeros([torch.size(part, 0), torch.size(part, 1), int(capacity), torch.size(part, 3)], dtype=part.dtype, device=part.device)
  def pick(self: __torch__.Ops, x: Tensor, index: Tensor) -> Tensor:
    return torch.index_select(x, 0, index)

  # --- what adapters of all kinds need ----------------------------------------------------------
  def prepend(self: __torch__.Ops, x: Tensor, rows: Tensor) -> Tensor:
    # rows [n, heads d] before x [r, l, heads d] or [r, heads, l, d]
    if torch.eq(torch.dim(x), 3):
      front = torch.expand(torch.unsqueeze(rows, 0), [torch.size(x, 0), -1, -1])
      y = torch.cat([front, x], 1)
    else:
      by_head = torch.transpose(torch.reshape(rows, [torch.size(rows, 0), torch.size(x, 1), -1]), 0, 1)
      front = torch.expand(torch.unsqueeze(by_head, 0), [torch.size(x, 0), -1, -1, -1])
      y = torch.cat([front, x], 2)
    return y
  def columns(self: __torch__.Ops, like: Tensor, table: Tensor, start: Tensor, count: Tensor) -> Tensor:
    return torch.to(torch.narrow(table, 1, int(start), int(count)), like.dtype)
  # columns [start, start + count) of s [r, h, q, k] times one column of gate [r, q, n]
  def gate_columns(self: __torch__.Ops, s: Tensor, gate: Tensor, column: Tensor, start: Tensor, count: Tensor) -> Tensor:
    first = int(start)
    end = torch.add(first, int(count))
    before = torch.narrow(s, -1, 0, first)
    gated = torch.mul(torch.narrow(s, -1, first, int(count)), torch.unsqueeze(torch.narrow(gate, -1, int(column), 1), 1))
    after = torch.narrow(s, -1, end, torch.sub(torch.size(s, -1), end))
    return torch.cat([before, gated, after], -1)
  def pad_front(self: __torch__.Ops, mask: Tensor, n: Tensor) -> Tensor:
    return torch.constant_pad_nd(mask, [int(n), 0], 0)
  def prefix_mask(self: __torch__.Ops, mask: Tensor, position: Tensor, n: Tensor, window: Tensor) -> Tensor:
    ahead = torch.sub(torch.unsqueeze(position, -1), torch.arange(int(n), dtype=4, device=position.device))
    hidden = torch.unsqueeze(torch.ge(ahead, int(window)), 1)
    zero = torch.zeros(hidden.shape, dtype=6, device=hidden.device)
    return torch.cat([torch.to(torch.masked_fill(zero, hidden, -1e30), mask.dtype), mask], -1)
  def add_linear(self: __torch__.Ops, y: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    return torch.add(y, torch.linear(x, torch.to(weight, x.dtype)))
  def multiply_(self: __torch__.Ops, x: Tensor, by: Tensor) -> Tensor:
    return torch.mul_(x, by)
  def contiguous(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.contiguous(x)
  def borrowed(self: __torch__.Ops, like: Tensor, x: Tensor) -> Tensor:
    return torch.alias(x)
  def row_range(self: __torch__.Ops, like: Tensor, x: Tensor, start: Tensor, count: Tensor) -> Tensor:
    return torch.narrow(x, 0, int(start), int(count))
  def at_least_zero(self: __torch__.Ops, x: Tensor) -> Tensor:
    return torch.clamp(x, 0)
  def mean_by_owner(self: __torch__.Ops, x: Tensor, owner: Tensor, examples: Tensor) -> Tensor:
    index = torch.reshape(owner, [-1])
    flat = torch.reshape(x, [-1, torch.size(x, -1)])
    zero = torch.zeros([torch.add(int(examples), 1), torch.size(x, -1)], dtype=x.dtype, device=x.device)
    sum = torch.index_add(zero, 0, index, flat)
    count = torch.index_add(zero, 0, index, torch.ones_like(flat))
    mean = torch.div(sum, torch.clamp(count, 1))
    return torch.reshape(torch.index_select(mean, 0, index), x.shape)

  # --- decompositions ---------------------------------------------------------------------------
  def svd(self: __torch__.Ops, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    u, s, v = torch.linalg_svd(x, False)
    return (u, s, v)
  def qr(self: __torch__.Ops, x: Tensor) -> Tuple[Tensor, Tensor]:
    q, r = torch.linalg_qr(x)
    return (q, r)

  # --- losses, summed over the batch; labels of -100 are left out -------------------------------
  def cross_entropy(self: __torch__.Ops, logits: Tensor, labels: Tensor) -> Tensor:
    return torch.cross_entropy_loss(torch.to(logits, 6), labels, None, 2, -100)
  # Rows of logits whose float32 form stays in the cache are worked on at a time. softmax's largest
  # probability is one over the sum of exponentials, so that the logarithm of the sum comes of it.
  def group(self: __torch__.Ops, logits: Tensor) -> int:
    rows = torch.size(logits, 0)
    if logits.is_cuda:
      n = rows
    else:
      n = torch.floordiv(524288, torch.size(logits, -1))
    return ops.prim.max(1, ops.prim.min(n, rows))
  def probabilities(self: __torch__.Ops, room: Tensor, logits: Tensor) -> Tensor:
    p = torch.narrow(room, 0, 0, torch.size(logits, 0))
    return torch._softmax(torch.copy_(p, logits), -1, False, out=p)
  def room(self: __torch__.Ops, logits: Tensor) -> Tensor:
    return torch.empty([self.group(logits), torch.size(logits, -1)], dtype=6, device=logits.device)
  def log_probs(self: __torch__.Ops, top: Tensor, highest: List[Tensor], picked: Tensor) -> Tensor:
    return torch.add(torch.sub(torch.to(picked, 6), torch.to(top, 6)), torch.log(torch.cat(highest)))
  def token_log_probs(self: __torch__.Ops, logits: Tensor, tokens: Tensor) -> Tensor:
    index = torch.clamp(torch.unsqueeze(tokens, -1), 0)
    room = self.room(logits)
    highest = annotate(List[Tensor], [])
    for part in torch.split(logits, torch.size(room, 0)):
      _0 = torch.append(highest, torch.amax(self.probabilities(room, part), [-1], True))
    picked = torch.gather(logits, -1, index)
    return torch.squeeze(self.log_probs(torch.amax(logits, [-1], True), highest, picked), -1)
  # the sum, and its gradient times scale in the logits' place
  def cross_entropy_gradient(self: __torch__.Ops, logits: Tensor, labels: Tensor, scale: Tensor) -> Tuple[Tensor, Tensor]:
    real = torch.unsqueeze(torch.to(torch.ge(labels, 0), 6), -1)
    index = torch.clamp(torch.unsqueeze(labels, -1), 0)
    picked = torch.gather(logits, -1, index)
    top = torch.amax(logits, [-1], True)
    room = self.room(logits)
    rows = torch.size(room, 0)
    parts = torch.split(logits, rows)
    indices = torch.split(index, rows)
    factors = torch.split(torch.mul(real, float(scale)), rows)
    minus = torch.full_like(real, -1.)
    highest = annotate(List[Tensor], [])
    for i in range(torch.len(parts)):
      p = self.probabilities(room, parts[i])
      _0 = torch.append(highest, torch.amax(p, [-1], True))
      _1 = torch.scatter_add_(p, -1, indices[i], minus)
      _2 = torch.copy_(parts[i], torch.mul_(p, factors[i]))
    sum = torch.neg(torch.sum(torch.mul(self.log_probs(top, highest, picked), real)))
    return (sum, logits)
  def squared_error(self: __torch__.Ops, logits: Tensor, labels: Tensor) -> Tensor:
    return torch.sum(torch.square(torch.sub(torch.to(logits, 6), labels)))
  def binary_cross_entropy(self: __torch__.Ops, logits: Tensor, labels: Tensor) -> Tensor:
    return torch.binary_cross_entropy_with_logits(torch.to(logits, 6), labels, None, None, 2)

  # --- optimizer --------------------------------------------------------------------------------
  def global_norm(self: __torch__.Ops, grads: List[Tensor]) -> Tensor:
    total = torch.zeros([], dtype=7, device=grads[0].device)
    for g in grads:
      total = torch.add(total, torch.to(torch.sum(torch.square(g)), 7))
    return torch.sqrt(total)
  # hyper: learning rate, beta1, beta2, epsilon, weight decay, 1 - beta1^t, sqrt(1 - beta2^t), gradient scale
  def adamw(self: __torch__.Ops, p: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], hyper: Tensor) -> Tensor:
    lr = float(hyper[0])
    beta1 = float(hyper[1])
    beta2 = float(hyper[2])
    eps = float(hyper[3])
    decay = float(hyper[4])
    correction1 = float(hyper[5])
    correction2 = float(hyper[6])
    scale = float(hyper[7])
    for i in range(torch.len(p)):
      grad = torch.mul(g[i], scale)
      _0 = torch.mul_(p[i], torch.sub(1., torch.mul(lr, decay)))
      _1 = torch.lerp_(m[i], grad, torch.sub(1., beta1))
      _2 = torch.addcmul_(torch.mul_(v[i], beta2), grad, grad, value=torch.sub(1., beta2))
      denominator = torch.add_(torch.div_(torch.sqrt(v[i]), correction2), eps)
      _3 = torch.addcdiv_(p[i], m[i], denominator, value=torch.neg(torch.div(lr, correction1)))
    return hyper
