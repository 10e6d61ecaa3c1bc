package io.peft4j.quant.projection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.peft4j.model.Model;
import io.peft4j.model.load.WeightFormat;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationError;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.Quantizer;
import io.peft4j.quant.bnb.BnbFormat;
import io.peft4j.quant.kernel.PackedWeight;
import io.peft4j.quant.kernel.QuantKernels;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.NativeTensor;
import io.peft4j.torch.Ops;
import io.peft4j.torch.Precision;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/**
 * A projection on a packed weight (QLoRA, Dettmers et al., 2023): {@code y = x dequantize(W)ᵀ + b}
 * in the type of the workspace, given in {@code x}'s type. The dense weight lives in a {@link Room}
 * while its layer runs, and again while the layer's gradient, {@code dy W}, is computed.
 */
public final class QuantizedProjection implements Projection {

  /** Rows up to which kernels on a device take the packed weight rather than a decoded one. */
  private static final int PACKED_ROWS = 64;

  private final NDManager manager;
  private final QuantKernels kernels;
  private final Workspace workspace;
  private final Merging merging;
  private final Parameter bias;
  private final QuantizedTensor base;
  private final Function<NDManager, NDArray> original;
  private final PackedWeight basePacked;
  private final String kind;
  private final boolean turned;
  private QuantizedTensor tensor;
  private PackedWeight packed;
  private PackedWeight merged;
  private NDArray dense;
  private QuantizationError mergeError;

  /**
   * @param manager owner of a dense merged weight
   * @param base [out, in]
   * @param basePacked the same where the kernels want it; stays the caller's
   * @param bias [out], or null
   * @param original gives the dense weight that the base was made of, or null
   */
  QuantizedProjection(
      NDManager manager,
      WeightFormat.Source source,
      QuantizedTensor base,
      PackedWeight basePacked,
      QuantKernels kernels,
      Workspace workspace,
      Merging merging,
      Parameter bias,
      Function<NDManager, NDArray> original) {
    this.manager = manager;
    this.kernels = kernels;
    this.workspace = workspace;
    this.merging = merging;
    this.bias = bias;
    this.base = base;
    this.original = original;
    this.basePacked = basePacked;
    this.tensor = base;
    this.packed = basePacked;
    this.turned = source.turned();
    this.kind = workspace.reserve(source.module(), base.count());
  }

  @Override
  public String storage() {
    QuantizationConfig config = base.config();
    return config.type().id()
        + (config.type().is4Bit() ? " in blocks of " + config.blockSize() : "")
        + (config.doubleQuant() ? ", scales quantized" : "")
        + ", computed in "
        + workspace.type().name().toLowerCase(Locale.ROOT);
  }

  /** {@return the projections of {@code model} that are on packed weights, by their modules} */
  public static Map<String, QuantizedProjection> in(Model model) {
    Map<String, QuantizedProjection> found = new LinkedHashMap<>();
    for (Module leaf : model.modules().leaves()) {
      if (leaf instanceof Linear linear && linear.projection() instanceof QuantizedProjection own) {
        found.put(linear.name(), own);
      }
    }
    return found;
  }

  @Override
  public NDArray forward(NDArray x) {
    NDArray typed = precision().typed(x);
    if (dense == null && runsPacked(typed)) {
      return Ops.typedLike(x, multiplied(typed));
    }
    NDArray weight = dense != null ? dense : decoded();
    NDArray y = Ops.linear(typed, weight, bias == null ? null : Ops.typedLike(typed, bias.value()));
    return Ops.typedLike(x, y);
  }

  /**
   * {@return whether the product comes straight from the codes} That takes kernels on the device,
   * which no graph can hold, and pays while few rows wait for all of the weight. More rows are the
   * dense product's business, for which the weight is decoded as in training.
   */
  private boolean runsPacked(NDArray x) {
    return kernels.onDevice() && !Autograd.recording() && rows(x) <= PACKED_ROWS;
  }

  private static long rows(NDArray x) {
    Shape shape = x.getShape();
    return shape.size() / shape.get(shape.dimension() - 1);
  }

  private NDArray multiplied(NDArray x) {
    Shape shape = x.getShape();
    long[] size = shape.getShape();
    size[size.length - 1] = out();
    NDArray y = Ops.empty(x.getManager(), Room.torchType(workspace.type()), new Shape(size));
    try (NDArray plain = Ops.contiguous(x)) {
      packed.multiply(
          Room.device(plain, workspace.type()),
          Room.device(y, workspace.type()),
          (int) rows(x),
          workspace.type());
    }
    return bias == null ? y : y.addi(Ops.typedLike(y, bias.value()));
  }

  /** {@return the type that matmuls run in} */
  private Precision precision() {
    return workspace.type() == FloatType.BF16 ? Precision.BFLOAT16 : Precision.FLOAT32;
  }

  private NDArray decoded() {
    Room room = Autograd.recording() ? workspace.own(kind) : workspace.shared();
    return room.weight(packed);
  }

  @Override
  public void beforeBackward() {
    Room room = workspace.own(kind);
    if (dense == null && room.isUsed()) {
      room.fill(packed);
    }
  }

  @Override
  public long in() {
    return basePacked.inputs();
  }

  @Override
  public long out() {
    return basePacked.outputs();
  }

  @Override
  public NDArray weight(NDManager manager) {
    return dense != null ? Ops.wideCopy(dense, manager) : decode(tensor, manager);
  }

  @Override
  public NDArray storedWeight(NDManager manager) {
    return decode(base, manager);
  }

  private static NDArray decode(QuantizedTensor tensor, NDManager manager) {
    NDArray wide = Ops.empty(manager, NativeTensor.Type.FLOAT32, new Shape(tensor.shape()));
    HostTensors.write(wide, memory -> tensor.dequantize(memory, FloatType.F32));
    return wide;
  }

  @Override
  public String format() {
    return base.type().id();
  }

  @Override
  public boolean turned() {
    return turned;
  }

  @Override
  public Parameter bias() {
    return bias;
  }

  @Override
  public List<TensorSource> packed(String name) {
    if (dense != null) {
      throw new IllegalStateException(
          name + ": merged with Merging.DENSE; Merging.REQUANTIZE keeps it packed");
    }
    return BnbFormat.write(name, tensor);
  }

  /** {@return the weight in use as it is packed: the base's, or the merged one quantized again} */
  public QuantizedTensor packed() {
    return tensor;
  }

  /** {@return the base's weight, which nothing changes} */
  public QuantizedTensor base() {
    return base;
  }

  /** {@return how the weight is packed, and what it computes in} */
  public QuantizationConfig config() {
    return base.config().withComputeType(workspace.type());
  }

  /** {@return whether a merged weight is kept dense at the moment} */
  public boolean isDense() {
    return dense != null;
  }

  /**
   * {@return how far the weight in use is from the merged one it was made of, null where nothing is
   * merged}
   */
  public QuantizationError mergeError() {
    return mergeError;
  }

  @Override
  public NDArray originalWeight(NDManager owner) {
    return original == null ? null : original.apply(owner);
  }

  @Override
  public Replacement replacement(NDArray weight) {
    QuantizedTensor quantized = pack(HostTensors.elements(weight));
    return new Packed(quantized, kernels.place(quantized));
  }

  /** Packs float32 values as the base is. */
  private QuantizedTensor pack(ByteBuffer values) {
    return new Quantizer(base.config())
        .quantize(values, FloatType.F32, base.shape())
        .withSourceType(base.sourceType());
  }

  /** A packed weight in the base's place. */
  private final class Packed implements Replacement {
    private final QuantizedTensor mine;
    private final PackedWeight placed;

    Packed(QuantizedTensor mine, PackedWeight placed) {
      this.mine = mine;
      this.placed = placed;
    }

    @Override
    public NDArray weight(NDManager owner) {
      return decode(mine, owner);
    }

    @Override
    public void lay() {
      dropMerged();
      tensor = mine;
      packed = placed;
    }

    @Override
    public void lift() {
      if (packed == placed) {
        tensor = base;
        packed = basePacked;
      }
    }

    @Override
    public void close() {
      lift();
      placed.close();
    }
  }

  @Override
  public void merge(NDArray weight) {
    dropMerged();
    try (weight) {
      ByteBuffer values = HostTensors.elements(weight);
      if (merging == Merging.REQUANTIZE) {
        tensor = pack(values);
        checkFinite();
        merged = kernels.place(tensor);
        packed = merged;
        mergeError = QuantizationError.measure(values, FloatType.F32, tensor);
        return;
      }
      try (NDArray typed = precision().cast(weight)) {
        dense = typed.duplicate();
      }
      dense.attach(manager);
      try (NDArray restored = Ops.toFloat32(dense)) {
        mergeError = QuantizationError.between(values, HostTensors.elements(restored));
      }
    }
  }

  /** Whoever reads a packed weight decodes it into the type that it was made of. */
  private void checkFinite() {
    try (NDManager scope = manager.newSubManager()) {
      NDArray wide = decode(tensor, scope);
      NDArray typed =
          base.sourceType() == FloatType.F16 ? wide.toType(DataType.FLOAT16, true) : wide;
      float largest = typed.toType(DataType.FLOAT32, false).abs().max().getFloat();
      if (!Float.isFinite(largest)) {
        float found = wide.abs().max().getFloat();
        tensor = base;
        throw new ArithmeticException(
            String.format(
                Locale.ROOT,
                "a merged weight should be finite in %s, which it is unpacked to; found %s",
                base.sourceType().torchName(),
                found));
      }
    }
  }

  @Override
  public void unmerge() {
    dropMerged();
  }

  private void dropMerged() {
    if (dense != null) {
      dense.close();
      dense = null;
    }
    if (merged != null) {
      merged.close();
      merged = null;
      packed = basePacked;
      tensor = base;
    }
    mergeError = null;
  }

  @Override
  public boolean trainable() {
    return bias != null && bias.value().hasGradient();
  }
}
