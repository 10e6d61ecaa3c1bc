package io.peft4j.model.load;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.io.MappedFile;
import io.peft4j.model.module.DenseProjection;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.NativeTensor;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Supplier;

/**
 * Hands a model the tensors of a checkpoint. On a CPU a tensor already stored in the model's
 * precision is the file's own mapped memory; others are converted. For a GPU all are copied there.
 * The checkpoint must outlive the model.
 */
public final class Weights {

  /**
   * What a parameter can be stored as; anything else needs more than the tensor to be understood.
   */
  private static final Set<DType> FLOATING =
      EnumSet.of(
          DType.F64,
          DType.F32,
          DType.F16,
          DType.BF16,
          DType.F8_E5M2,
          DType.F8_E4M3,
          DType.F8_E5M2FNUZ,
          DType.F8_E4M3FNUZ);

  private final NDManager manager;
  private final Checkpoint checkpoint;
  private final Precision precision;
  private final StoredNames names;
  private final double initializerRange;
  private final boolean replacing;
  private final String redrawn;
  private final WeightFormat.Opened format;
  private final boolean streaming;
  private long mappedBytes;
  private final SplittableRandom random;
  private final List<String> initialized = new ArrayList<>();

  /**
   * @param names of {@code checkpoint}
   * @param initializerRange standard deviation for weights that the checkpoint lacks
   * @param replacing whether a head of another size than asked for is replaced by a new one
   * @param redrawn name of the module that is newly initialized although it is stored, or null
   * @param format of linear modules' weights; null for dense ones only
   * @param streaming whether tensors are loaded when they are used, and not kept
   */
  public Weights(
      NDManager manager,
      Checkpoint checkpoint,
      StoredNames names,
      Precision precision,
      double initializerRange,
      boolean replacing,
      String redrawn,
      WeightFormat.Opened format,
      boolean streaming,
      long seed) {
    this.manager = manager;
    this.checkpoint = checkpoint;
    this.precision = precision;
    this.names = names;
    this.initializerRange = initializerRange;
    this.replacing = replacing;
    this.redrawn = redrawn;
    this.format = format;
    this.streaming = streaming;
    this.random = new SplittableRandom(seed);
  }

  /**
   * @throws IllegalArgumentException if the checkpoint lacks it or has another shape
   */
  public Parameter get(String name, long... shape) {
    String stored = find(name);
    if (stored == null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s' of shape %s is missing%s",
              checkpoint.path(),
              name,
              new Shape(shape),
              name.equals(StoredNames.HEAD)
                  ? "; if the head is the embedding, config.json has to say"
                      + " 'tie_word_embeddings': true"
                  : ""));
    }
    checkShape(stored, shape);
    return streaming
        ? new Parameter(name, new Shape(shape), false, () -> stream(stored))
        : new Parameter(name, load(stored), false);
  }

  /** {@return the checkpoint's names of what has been handed out} */
  public StoredNames names() {
    return names;
  }

  /**
   * Says that the head is the embedding, named {@code table}. Where both are stored, they are the
   * same; where only the head is, it serves as the embedding.
   */
  public void tieHead(String table) {
    names.standIn(table, StoredNames.HEAD);
    find(StoredNames.HEAD);
  }

  /**
   * Takes a tensor's pages out of the process's memory; they are read again when touched. For
   * tables, of which a batch needs few rows.
   */
  public Runnable forgetting(String name) {
    String stored = find(name);
    boolean mapped =
        !streaming && !manager.getDevice().isGpu() && isWanted(checkpoint.info(stored));
    return mapped ? () -> checkpoint.release(stored) : () -> {};
  }

  /**
   * The linear module of that name.
   *
   * @param turned whether the checkpoint stores a dense weight as [in, out]
   */
  public Linear linear(String name, long out, long in, boolean bias, boolean turned) {
    Parameter biasOf = bias ? get(name + ".bias", out) : null;
    Projection packed = packed(name, out, in, biasOf, turned);
    if (packed != null) {
      return new Linear(name, packed);
    }
    String weight = name + ".weight";
    return new Linear(
        name,
        new DenseProjection(turned ? getTurned(weight, out, in) : get(weight, out, in), biasOf));
  }

  /** As {@link #linear}, with a bias, but what the checkpoint lacks is newly initialized. */
  public Linear linearOrNew(String name, long out, long in) {
    Parameter bias = getOrZero(name + ".bias", out);
    Projection packed = packed(name, out, in, bias, false);
    return new Linear(
        name,
        packed != null ? packed : new DenseProjection(getOrDraw(name + ".weight", out, in), bias));
  }

  private Projection packed(String name, long out, long in, Parameter bias, boolean turned) {
    String stored = format == null ? null : find(name + ".weight");
    return stored == null
        ? null
        : format.load(new WeightFormat.Source(name, stored, out, in, turned), bias);
  }

  /** As {@link #get} for a matrix [rows, columns] that is stored as [columns, rows]. */
  Parameter getTurned(String name, long rows, long columns) {
    Parameter stored = get(name, columns, rows);
    if (streaming) {
      return new Parameter(
          name,
          new Shape(rows, columns),
          true,
          () -> {
            NDArray turned = turn(stored.base());
            stored.release();
            return new Parameter.Loaded(turned, null);
          });
    }
    try (NDArray base = stored.base()) {
      return new Parameter(name, turn(base), true);
    }
  }

  private static NDArray turn(NDArray matrix) {
    try (NDArray turned = matrix.transpose()) {
      return turned.duplicate();
    }
  }

  /** As {@link #get}, but a weight that the checkpoint lacks is drawn from N(0, range). */
  public Parameter getOrDraw(String name, long... shape) {
    return usable(name, shape) ? get(name, shape) : initialize(name, initializerRange, shape);
  }

  /** As {@link #get}, but a bias that the checkpoint lacks is zero. */
  Parameter getOrZero(String name, long... shape) {
    return usable(name, shape) ? get(name, shape) : initialize(name, 0, shape);
  }

  private boolean usable(String name, long[] shape) {
    String stored = find(name);
    return stored != null
        && (!replacing || new Shape(checkpoint.info(stored).dimensions()).equals(new Shape(shape)));
  }

  private Parameter initialize(String name, double deviation, long[] shape) {
    initialized.add(name);
    Shape size = new Shape(shape);
    if (size.size() > Runtime.getRuntime().maxMemory() / (2 * Float.BYTES)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s' of shape %s is missing, and a new one would take more than half of the heap",
              checkpoint.path(),
              name,
              size));
    }
    float[] values = new float[Math.toIntExact(size.size())];
    if (deviation != 0) {
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (deviation * random.nextGaussian());
      }
    }
    NDArray array = manager.create(values, size);
    return new Parameter(name, precision == Precision.BFLOAT16 ? convert(array) : array, false);
  }

  /** {@return the names of the parameters that are not pretrained} */
  public List<String> initialized() {
    return List.copyOf(initialized);
  }

  private String find(String name) {
    return redrawn != null && name.startsWith(redrawn + ".") ? null : names.find(name);
  }

  private void checkShape(String stored, long[] shape) {
    TensorInfo info = checkpoint.info(stored);
    if (!FLOATING.contains(info.dtype())) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected a floating-point type, found %s; is config.json's quantization_config missing?",
              checkpoint.path(stored),
              stored,
              info.dtype()));
    }
    if (!new Shape(shape).equals(new Shape(info.dimensions()))) {
      throw new IllegalArgumentException(
          checkpoint.path()
              + ": tensor '"
              + stored
              + "': expected shape "
              + new Shape(shape)
              + ", found "
              + new Shape(info.dimensions()));
    }
  }

  private NDArray load(String stored) {
    TensorInfo info = checkpoint.info(stored);
    NDArray mapped = wrap(info, checkpoint.address(stored), () -> checkpoint.bytes(stored));
    NDArray there = HostTensors.moveTo(manager, mapped);
    if (isWanted(info) && there == mapped) {
      mappedBytes += info.length();
      return mapped;
    }
    NDArray loaded = isWanted(info) ? there : convert(there);
    checkpoint.release(stored);
    return loaded;
  }

  /** {@return how many bytes of the checkpoint the tensors handed out so far are} */
  public long mappedBytes() {
    return mappedBytes;
  }

  private boolean isWanted(TensorInfo info) {
    return info.dtype() == (precision == Precision.BFLOAT16 ? DType.BF16 : DType.F32);
  }

  /** As {@link #load}, from a mapping of its own that is undone when the tensor is released. */
  private Parameter.Loaded stream(String stored) {
    TensorInfo info = checkpoint.info(stored);
    MappedFile part;
    try {
      part = checkpoint.part(stored);
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
    try {
      NDArray mapped = wrap(info, part.address(), () -> part.buffer(0, info.length()));
      NDArray there = HostTensors.moveTo(manager, mapped);
      if (isWanted(info) && there == mapped) {
        return new Parameter.Loaded(mapped, part);
      }
      NDArray loaded = isWanted(info) ? there : convert(there);
      part.close();
      return new Parameter.Loaded(loaded, null);
    } catch (RuntimeException e) {
      part.close();
      throw e;
    }
  }

  private NDArray convert(NDArray array) {
    try (NDArray source = array) {
      return precision.cast(source);
    }
  }

  private NDArray wrap(TensorInfo info, long address, Supplier<ByteBuffer> bytes) {
    NativeTensor.Type type =
        switch (info.dtype()) {
          case F32 -> NativeTensor.Type.FLOAT32;
          case BF16 -> NativeTensor.Type.BFLOAT16;
          case F16 -> NativeTensor.Type.FLOAT16;
          case F64 -> NativeTensor.Type.FLOAT64;
          case F8_E5M2 -> NativeTensor.Type.FLOAT8_E5M2;
          case F8_E4M3 -> NativeTensor.Type.FLOAT8_E4M3FN;
          case F8_E5M2FNUZ -> NativeTensor.Type.FLOAT8_E5M2FNUZ;
          case F8_E4M3FNUZ -> NativeTensor.Type.FLOAT8_E4M3FNUZ;
          default ->
              throw new IllegalArgumentException(
                  checkpoint.path()
                      + ": tensor '"
                      + info.name()
                      + "': expected a floating-point type, found "
                      + info.dtype());
        };
    if (address % info.dtype().bytes() == 0) {
      return NativeTensor.wrap(manager, address, type, info.dimensions());
    }
    // The format allows unaligned tensors, libtorch does not.
    NDArray aligned = HostTensors.empty(manager, type, new Shape(info.dimensions()));
    HostTensors.elements(aligned).put(bytes.get());
    return aligned;
  }

  /** {@return a 0-d float64 on the CPU that lives as long as the model} */
  public NDArray constant(double value) {
    return HostTensors.number(manager, value);
  }

  /** {@return a 0-d number in the model's precision that lives as long as the model} */
  public NDArray typedConstant(double value) {
    NDArray constant = manager.create((float) value);
    return precision == Precision.BFLOAT16 ? convert(constant) : constant;
  }

  /** {@return float32 values that live as long as the model} */
  public NDArray constants(float[] values) {
    return manager.create(values);
  }

  /** {@return int64 values on the CPU that live as long as the model} */
  public NDArray constants(long[] values) {
    return HostTensors.numbers(manager, values);
  }

  /** {@return a 0-d int64 on the CPU that lives as long as the model} */
  public NDArray constant(int value) {
    return HostTensors.number(manager, (long) value);
  }
}
