package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Tensor operations that DJL's {@link NDArray} does not offer, with autograd. Most are the methods
 * of {@code ops.py} beside this class, run by libtorch. A result belongs to the manager of the
 * first argument.
 *
 * <p>Thread-safe: the compiled module has no state.
 */
public final class Ops {

  private static final Ops SCRIPT = load();

  private final PtSymbolBlock module;

  /** DJL selects a method by an extra array of this name. */
  private final Map<String, NDArray> selectors;

  private Ops(PtSymbolBlock module, Map<String, NDArray> selectors) {
    this.module = module;
    this.selectors = selectors;
  }

  private static Ops load() {
    KernelCaches.bound();
    NDManager manager = NDManager.newBaseManager("PyTorch");
    manager.setName("io.peft4j.torch.Ops");
    try (InputStream source = Ops.class.getResourceAsStream("ops.py")) {
      String code = new String(source.readAllBytes(), StandardCharsets.UTF_8);
      PtSymbolBlock module =
          JniUtils.loadModule(
              (PtNDManager) manager,
              new ByteArrayInputStream(ScriptArchive.build("Ops", code)),
              false,
              false);
      Map<String, NDArray> selectors = new HashMap<>();
      for (String method : JniUtils.getMethodNames(module)) {
        NDArray selector = manager.create(0f);
        selector.setName("module_method:" + method);
        selectors.put(method, selector);
      }
      return new Ops(module, Map.copyOf(selectors));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read ops.py beside " + Ops.class.getName(), e);
    }
  }

  private static NDArray call(String method, NDArray... arguments) {
    NDList inputs = new NDList(arguments.length + 1);
    for (NDArray argument : arguments) {
      inputs.add(argument);
    }
    return run(method, inputs).get(0);
  }

  private static NDList run(String method, NDList inputs) {
    NDArray selector = SCRIPT.selectors.get(method);
    if (selector == null) {
      throw new IllegalStateException("ops.py has no method " + method);
    }
    inputs.add(selector);
    // The executor's profiling pass costs more than it saves on operations this small, and fuses
    // some so that results differ in the last bit. The setting is the thread's: others run their
    // own scripts on it.
    JniUtils.setGraphExecutorOptimize(false);
    try {
      return IValueUtils.forward(SCRIPT.module, inputs, true);
    } finally {
      JniUtils.setGraphExecutorOptimize(true);
    }
  }

  /** Adds {@code arrays} as one list argument: DJL reads that from names ending in {@code []}. */
  private static void addList(NDList inputs, String name, List<NDArray> arrays) {
    for (NDArray array : arrays) {
      array.setName(name + "[]");
      inputs.add(array);
    }
  }

  private static NDArray runWithLists(String method, NDList inputs) {
    List<NDArray> named = List.copyOf(inputs);
    try {
      return run(method, inputs).get(0);
    } finally {
      named.forEach(array -> array.setName(null));
    }
  }

  /** {@return whether {@code x} is bfloat16, which DJL has no name for} */
  public static boolean isBfloat16(NDArray x) {
    return x.getDataType() == DataType.UNKNOWN;
  }

  public static NDArray toBfloat16(NDArray x) {
    return call("to_bfloat16", x);
  }

  public static NDArray toFloat32(NDArray x) {
    return call("to_float32", x);
  }

  /**
   * {@return {@code x} in the element type of {@code like}}: {@code x} itself where it has that
   * already, else a new array on {@code like}'s manager
   */
  public static NDArray typedLike(NDArray like, NDArray x) {
    return x.getDataType() == like.getDataType() ? x : call("typed_like", like, x);
  }

  /** {@return an uninitialized array on {@code manager}} */
  public static NDArray empty(NDManager manager, NativeTensor.Type type, Shape shape) {
    try (NDArray sizes = manager.create(shape.getShape());
        NDArray code = manager.create((long) type.code())) {
      return call("empty", sizes, code);
    }
  }

  /** {@return an uninitialized array like {@code x} in shape, type and owner} */
  public static NDArray emptyLike(NDArray x) {
    return call("empty_like", x);
  }

  /** {@return the same data, cut from the graph} */
  public static NDArray detach(NDArray x) {
    return call("detach", x);
  }

  /** {@return {@code x}, cut from the graph, in the type of {@code like} and on its manager} */
  public static NDArray detachedLike(NDArray like, NDArray x) {
    return call("detached_like", like, x);
  }

  /**
   * Picks rows: {@code x} [.., d] seen as [n, d], {@code index} int64 of any shape s, result [s,
   * d].
   */
  public static NDArray rows(NDArray x, NDArray index) {
    return call("rows", x, index);
  }

  /** {@code x Wᵀ + b}: x [.., in], weight [out, in], bias [out] or null, result [.., out]. */
  public static NDArray linear(NDArray x, NDArray weight, NDArray bias) {
    return JniUtils.linear((PtNDArray) x, (PtNDArray) weight, (PtNDArray) bias);
  }

  /** Row lookup: ids int64 [..], table [n, d], result [.., d] on {@code ids}' manager. */
  public static NDArray embedding(NDArray ids, NDArray table) {
    return JniUtils.embedding((PtNDArray) ids, (PtNDArray) table, false);
  }

  /** Layer normalization over the last dimension (Ba et al., 2016). */
  public static NDArray layerNorm(NDArray x, NDArray weight, NDArray bias, double epsilon) {
    Shape last = new Shape(x.getShape().get(x.getShape().dimension() - 1));
    return JniUtils.layerNorm((PtNDArray) x, last, (PtNDArray) weight, (PtNDArray) bias, epsilon);
  }

  public static NDArray gelu(NDArray x) {
    return JniUtils.gelu((PtNDArray) x);
  }

  /** GELU by its tanh approximation, HF's {@code gelu_new}. */
  public static NDArray geluTanh(NDArray x) {
    return call("gelu_tanh", x);
  }

  public static NDArray relu(NDArray x) {
    return JniUtils.relu((PtNDArray) x);
  }

  public static NDArray sigmoid(NDArray x) {
    return call("sigmoid", x);
  }

  public static NDArray leakyRelu(NDArray x) {
    return call("leaky_relu", x);
  }

  public static NDArray silu(NDArray x) {
    return call("silu", x);
  }

  /**
   * The additive mask that lets a query see the keys with its own number: query [r, q], key [r, k]
   * int64, result float32 [r, 1, q, k], 0 where equal and -1e30 elsewhere.
   */
  public static NDArray encoderMask(NDArray query, NDArray key) {
    return call("encoder_mask", query, key);
  }

  /**
   * Scaled dot-product attention: q [r, lq, h·d], k and v [r, lk, h·d], mask [r, 1, lq, lk] added
   * to the scores, heads a 0-d integer; result [r, lq, h·d].
   */
  public static NDArray attention(NDArray q, NDArray k, NDArray v, NDArray mask, NDArray heads) {
    return call("attention", q, k, v, mask, heads);
  }

  /** The first half of {@link #attention}: probabilities [r, h, lq, lk]. */
  public static NDArray attentionScores(NDArray q, NDArray k, NDArray mask, NDArray heads) {
    return call("scores", q, k, mask, heads);
  }

  /** The second half of {@link #attention}: p [r, h, lq, lk], v [r, lk, h·d]. */
  public static NDArray attentionWeigh(NDArray p, NDArray v, NDArray heads) {
    return call("weigh", p, v, heads);
  }

  /**
   * Root-mean-square normalization over the last dimension (Zhang and Sennrich, 2019), computed in
   * float32.
   *
   * @param weight the factor of each element; in {@code x}'s type
   * @param epsilon 0-d
   */
  public static NDArray rmsNorm(NDArray x, NDArray weight, NDArray epsilon) {
    return call("rms_norm", x, weight, epsilon);
  }

  /** As {@link #rmsNorm}, where {@code 1 + weight} is the factor (Gemma). */
  public static NDArray rmsNormOffset(NDArray x, NDArray weight, NDArray epsilon) {
    return call("rms_norm_offset", x, weight, epsilon);
  }

  /**
   * The additive mask of causal attention: a query sees the keys with its own number that stand at
   * its position or fewer than {@code window} before it.
   *
   * @param owner int64 [r, q]
   * @param key int64 [r, k]
   * @param position int64 [r, q]
   * @param keyPosition int64 [r, k]
   * @param window 0-d
   * @return float32 [r, 1, q, k], 0 or -1e30
   */
  public static NDArray causalMask(
      NDArray owner, NDArray key, NDArray position, NDArray keyPosition, NDArray window) {
    return call("causal_mask", owner, key, position, keyPosition, window);
  }

  /** Each position times each frequency: int64 [r, l] and float32 [n] to float32 [r, 1, l, n]. */
  public static NDArray angles(NDArray positions, NDArray frequencies) {
    return call("angles", positions, frequencies);
  }

  /** {@code x} [r, l, h·d] as [r, h, l, d]. */
  public static NDArray heads(NDArray x, NDArray heads) {
    return call("heads", x, heads);
  }

  /**
   * Rotary positions (Su et al., 2021), in the layout of two halves: the first {@code 2 n} elements
   * of each head are turned, element i together with element {@code i + n}.
   *
   * @param x [r, l, h·d]
   * @param cos [r, 1, l, n], in {@code x}'s type, as {@code sin}
   * @param whole whether {@code 2 n = d}
   * @return [r, h, l, d]
   */
  public static NDArray rotate(NDArray x, NDArray cos, NDArray sin, NDArray heads, boolean whole) {
    return call(whole ? "rotate_all" : "rotate", x, cos, sin, heads);
  }

  /**
   * Attention probabilities where groups of query heads share a key head (Ainslie et al., 2023): q
   * [r, h, lq, d], k [r, g, lk, d], mask [r, 1, lq, lk]; result [r, h, lq, lk].
   *
   * @param scale on the products, 0-d
   * @param cap scores are softly held within ± it by tanh; 0-d, or null
   */
  public static NDArray groupedScores(
      NDArray q, NDArray k, NDArray mask, NDArray scale, NDArray cap) {
    return cap == null
        ? call("grouped_scores", q, k, mask, scale)
        : call("capped_scores", q, k, mask, scale, cap);
  }

  /** Attention's output: p [r, h, lq, lk], v [r, g, lk, d], result [r, lq, h·d]. */
  public static NDArray groupedWeigh(NDArray p, NDArray v) {
    return call("grouped_weigh", p, v);
  }

  /** {@link #groupedScores} and {@link #groupedWeigh} in one, without keeping the scores. */
  public static NDArray groupedAttention(
      NDArray q, NDArray k, NDArray v, NDArray mask, NDArray scale) {
    return call("grouped_attention", q, k, v, mask, scale);
  }

  /** Splits the last dimension into three; {@code sizes} int64 [3]. */
  public static NDList split(NDArray x, NDArray sizes) {
    return run("split", new NDList(x, sizes));
  }

  /** Splits [r, l, h·3·d] into three [r, l, h·d], where each head has its three parts together. */
  public static NDList splitInHeads(NDArray x, NDArray heads) {
    return run("split_in_heads", new NDList(x, heads));
  }

  /** Splits the last dimension in the middle. */
  public static NDList halves(NDArray x) {
    return run("halves", new NDList(x));
  }

  /** {@code cap · tanh(x / cap)}; cap 0-d. */
  public static NDArray softCap(NDArray x, NDArray cap) {
    return call("soft_cap", x, cap);
  }

  /**
   * Copies {@code part} [r, h, n, d] into {@code buffer} [r, h, capacity, d] from {@code offset}
   * (0-d) on.
   *
   * @return that part of the buffer, not a copy
   */
  public static NDArray put(NDArray buffer, NDArray part, NDArray offset) {
    return call("put", buffer, part, offset);
  }

  /** {@return zeros [r, h, capacity, d] for parts like {@code part} [r, h, n, d]} */
  public static NDArray buffer(NDArray part, NDArray capacity) {
    return call("buffer", part, capacity);
  }

  /** {@return the entries {@code index} int64 [n] of {@code x}'s first dimension} */
  public static NDArray pick(NDArray x, NDArray index) {
    return call("pick", x, index);
  }

  /** log softmax(logits)[token]: logits [n, vocabulary], tokens int64 [n], read as 0 below that. */
  public static NDArray tokenLogProbs(NDArray logits, NDArray tokens) {
    return call("token_log_probs", logits, tokens);
  }

  /**
   * LoRA: {@code y + scale · ((x Aᵀ) Bᵀ + bias)}. x [.., in], y [.., out], a [r, in], b [out, r],
   * bias [out] or null; the factors are read in {@code x}'s type.
   */
  public static NDArray lora(
      NDArray y, NDArray x, NDArray a, NDArray b, NDArray bias, NDArray scale) {
    return bias == null
        ? call("lora", y, x, a, b, scale)
        : call("lora_bias", y, x, a, b, bias, scale);
  }

  /** LoRA on a table: {@code y + scale · (Aᵀ)[ids] Bᵀ}, a [r, rows], b [dim, r]. */
  public static NDArray loraEmbedding(NDArray ids, NDArray y, NDArray a, NDArray b, NDArray scale) {
    return call("lora_embedding", ids, y, a, b, scale);
  }

  /**
   * DoRA: {@code y + (f - 1) · base + f · scale · (x Aᵀ) Bᵀ}, where f [out] is the magnitude over
   * the length of each row of {@code W + scale · B A}.
   *
   * @param base {@code x Wᵀ} [.., out]
   * @param magnitude [out]
   * @param squares squared lengths of W's rows [out]
   * @param aw {@code A Wᵀ} [r, out]
   */
  public static NDArray dora(
      NDArray y,
      NDArray base,
      NDArray x,
      NDArray a,
      NDArray b,
      NDArray scale,
      NDArray magnitude,
      NDArray squares,
      NDArray aw) {
    return call("dora", y, base, x, a, b, scale, magnitude, squares, aw);
  }

  /**
   * DoRA on a table [rows, dim], with a magnitude for each column: {@code f · (y + scale ·
   * (Aᵀ)[ids] Bᵀ)}.
   */
  public static NDArray doraEmbedding(
      NDArray ids,
      NDArray y,
      NDArray a,
      NDArray b,
      NDArray scale,
      NDArray magnitude,
      NDArray squares,
      NDArray table) {
    return call("dora_embedding", ids, y, a, b, scale, magnitude, squares, table);
  }

  /**
   * Puts the same rows before each row of {@code x}.
   *
   * @param x [r, l, heads · d] or [r, heads, l, d]
   * @param rows [n, heads · d]
   * @return [r, n + l, heads · d] or [r, heads, n + l, d]
   */
  public static NDArray prepend(NDArray x, NDArray rows) {
    return call("prepend", x, rows);
  }

  /**
   * LoRA with factors for each entry: {@code y + (x Aᵀ) Bᵀ}.
   *
   * @param x [n, l, in] or [n, in]
   * @param a [k, r, in]
   * @param b [k, out, r]
   * @param group int64 [n]: which of the k
   */
  public static NDArray routedLora(NDArray y, NDArray x, NDArray a, NDArray b, NDArray group) {
    return call("routed_lora", y, x, a, b, group);
  }

  /**
   * A linear layer with a weight for each entry.
   *
   * @param x [n, l, in] or [n, in]
   * @param weight [k, out, in]
   * @param bias [k, out], or null
   * @param group int64 [n]: which of the k
   */
  public static NDArray routedLinear(NDArray x, NDArray weight, NDArray bias, NDArray group) {
    NDArray y = call("routed_linear", x, weight, group);
    return bias == null ? y : call("routed_bias", y, bias, group);
  }

  /** {@return columns of {@code table} in the type of {@code like} and on its manager} */
  public static NDArray columns(NDArray like, NDArray table, long from, long count) {
    try (NDArray start = like.getManager().create(from);
        NDArray n = like.getManager().create(count)) {
      return call("columns", like, table, start, n);
    }
  }

  /** {@return {@code mask} with {@code n} (0-d) columns of zeros in front} */
  public static NDArray padFront(NDArray mask, NDArray n) {
    return call("pad_front", mask, n);
  }

  /**
   * {@return {@code mask} [r, 1, q, k] with {@code n} (0-d) columns in front for keys at positions
   * 0 to n - 1, seen by queries that stand fewer than {@code window} (0-d) after them}
   *
   * @param position int64 [r, q]
   */
  public static NDArray prefixMask(NDArray mask, NDArray position, NDArray n, NDArray window) {
    return call("prefix_mask", mask, position, n, window);
  }

  /** {@code x} [.., n] times {@code by}, whose n elements may have any shape. */
  public static NDArray scaled(NDArray x, NDArray by) {
    return call("scaled", x, by);
  }

  /** {@code y + x Wᵀ}, the weight read in {@code x}'s type. */
  public static NDArray addLinear(NDArray y, NDArray x, NDArray weight) {
    return call("add_linear", y, x, weight);
  }

  /**
   * VeRA: {@code y + b · B (d · A x)}, of A [r, at least in] and B [at least out, r] the part that
   * fits x [.., in] and y [.., out].
   */
  public static NDArray vera(NDArray y, NDArray x, NDArray a, NDArray b, NDArray d, NDArray scale) {
    return call("vera", y, x, a, b, d, scale);
  }

  /** What {@link #vera} adds to a weight like {@code weight}. */
  public static NDArray veraDelta(NDArray weight, NDArray a, NDArray b, NDArray d, NDArray scale) {
    return call("vera_delta", weight, a, b, d, scale);
  }

  /** {@code scale · (a1 b1) ⊙ (a2 b2)}, on {@code like}'s manager. */
  public static NDArray hadamard(
      NDArray like, NDArray a1, NDArray b1, NDArray a2, NDArray b2, NDArray scale) {
    return call("hadamard", like, a1, b1, a2, b2, scale);
  }

  /**
   * {@code scale · first ⊗ second}, on {@code like}'s manager.
   *
   * @param first a matrix, or two whose product it is; likewise {@code second}
   */
  public static NDArray kron(NDArray like, NDArray[] first, NDArray[] second, NDArray scale) {
    return call("kron", like, product(like, first), product(like, second), scale);
  }

  private static NDArray product(NDArray like, NDArray[] factors) {
    return factors.length == 1 ? factors[0] : call("matmul", like, factors[0], factors[1]);
  }

  /** AdaLoRA: {@code y + scale · ((x (e ⊙ A)ᵀ) Bᵀ)}; a [r, in], e [r, 1], b [out, r]. */
  public static NDArray tripletLora(
      NDArray y, NDArray x, NDArray a, NDArray e, NDArray b, NDArray scale) {
    return call("triplet_lora", y, x, a, e, b, scale);
  }

  /** What {@link #tripletLora} adds to a weight, on {@code like}'s manager. */
  public static NDArray tripletDelta(NDArray like, NDArray a, NDArray e, NDArray b, NDArray scale) {
    return call("triplet_delta", like, a, e, b, scale);
  }

  /** {@return the Frobenius norm of {@code P Pᵀ - I}, or of {@code Pᵀ P - I}; 0-d} */
  public static NDArray orthogonality(NDArray p, boolean columns) {
    return call(columns ? "column_orthogonality" : "orthogonality", p);
  }

  /**
   * Updates running means in place: of {@code |p · gradient|}, and of its deviation from that mean.
   *
   * @param hyper factor on the gradient, and the decays of the two means
   */
  public static void observeImportance(
      NDArray p, NDArray gradient, NDArray sensitivity, NDArray uncertainty, double[] hyper) {
    try (NDArray values = p.getManager().create(hyper)) {
      call("observe_importance", p, gradient, sensitivity, uncertainty, values).close();
    }
  }

  /** Multiplies {@code x} in place, outside of any graph. */
  public static void multiplyInPlace(NDArray x, NDArray by) {
    call("multiply_", x, by).close();
  }

  /** {@return the same numbers, laid out in order of the shape} */
  public static NDArray contiguous(NDArray x) {
    return call("contiguous", x);
  }

  /** {@return another handle to {@code x}, in its graph, on {@code like}'s manager} */
  public static NDArray borrowed(NDArray like, NDArray x) {
    return call("borrowed", like, x);
  }

  /** {@return entries of {@code x}'s first dimension, not a copy, on {@code like}'s manager} */
  public static NDArray rowRange(NDArray like, NDArray x, long from, long count) {
    try (NDArray start = like.getManager().create(from);
        NDArray n = like.getManager().create(count)) {
      return call("row_range", like, x, start, n);
    }
  }

  /** {@return int64 {@code ids}, with 0 for those below} */
  public static NDArray atLeastZero(NDArray ids) {
    return call("at_least_zero", ids);
  }

  /**
   * {@return {@code y} [.., d] with row {@code k} of {@code rows} [n, d] wherever {@code ids} [..]
   * is {@code -1 - offset - k}}
   */
  public static NDArray virtualRows(NDArray ids, NDArray y, NDArray rows, int offset) {
    try (NDArray from = ids.getManager().create((long) offset)) {
      return call("virtual_rows", ids, y, rows, from);
    }
  }

  /**
   * A bidirectional LSTM layer (Hochreiter and Schmidhuber, 1997).
   *
   * @param x [l, in]
   * @param weights of input and state [4 h, in] and [4 h, h], biases [4 h] and [4 h], and the same
   *     for the other direction
   * @return [l, 2 h]
   */
  public static NDArray lstm(NDArray x, NDArray[] weights) {
    NDArray[] all = new NDArray[1 + weights.length];
    all[0] = x;
    System.arraycopy(weights, 0, all, 1, weights.length);
    return call("lstm", all);
  }

  /**
   * {@return in place of each number of {@code x} [r, l, 1] the mean of those with its owner}
   *
   * @param owner int64 [r, l], 0 to {@code owners}
   */
  public static NDArray meanByOwner(NDArray x, NDArray owner, int owners) {
    try (NDArray n = x.getManager().create((long) owners)) {
      return call("mean_by_owner", x, owner, n);
    }
  }

  /** Reduced singular value decomposition: x [m, n] to U [m, k], S [k], Vᵀ [k, n]. */
  public static NDList svd(NDArray x) {
    return run("svd", new NDList(x));
  }

  /** Reduced QR decomposition: x [m, n] to Q [m, k], R [k, n]. */
  public static NDList qr(NDArray x) {
    return run("qr", new NDList(x));
  }

  /** Sum of -log softmax(logits)[label]: logits [n, classes], labels int64 [n], -100 ignored. */
  public static NDArray crossEntropy(NDArray logits, NDArray labels) {
    return call("cross_entropy", logits, labels);
  }

  /**
   * {@link #crossEntropy} and its gradient with respect to the logits times {@code scale} (0-d), in
   * fewer passes over them than automatic differentiation takes.
   *
   * @param logits outside of any graph
   */
  public static NDList crossEntropyGradient(NDArray logits, NDArray labels, NDArray scale) {
    return run("cross_entropy_gradient", new NDList(logits, labels, scale));
  }

  /** Sum of squared differences; both [n, k]. */
  public static NDArray squaredError(NDArray logits, NDArray labels) {
    return call("squared_error", logits, labels);
  }

  /** Sum of binary cross entropies with logits; both [n, k], labels 0 or 1 as float32. */
  public static NDArray binaryCrossEntropy(NDArray logits, NDArray labels) {
    return call("binary_cross_entropy", logits, labels);
  }

  /** {@return the Euclidean norm of all elements of all {@code gradients}, a float64 scalar} */
  public static NDArray globalNorm(List<NDArray> gradients) {
    NDList inputs = new NDList();
    addList(inputs, "grads", gradients);
    return runWithLists("global_norm", inputs);
  }

  /**
   * One AdamW update in place (Loshchilov and Hutter, 2019). The four lists are parallel.
   *
   * @param hyper float64 [8]: learning rate, beta1, beta2, epsilon, weight decay, 1 - beta1^t,
   *     sqrt(1 - beta2^t), factor on the gradients
   */
  public static void adamw(
      List<NDArray> parameters,
      List<NDArray> gradients,
      List<NDArray> firstMoments,
      List<NDArray> secondMoments,
      NDArray hyper) {
    NDList inputs = new NDList();
    addList(inputs, "p", parameters);
    addList(inputs, "g", gradients);
    addList(inputs, "m", firstMoments);
    addList(inputs, "v", secondMoments);
    inputs.add(hyper);
    runWithLists("adamw", inputs).close();
  }
}
