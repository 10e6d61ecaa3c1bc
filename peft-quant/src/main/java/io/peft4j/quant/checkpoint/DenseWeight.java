package io.peft4j.quant.checkpoint;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationError;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.Quantizer;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.TensorInfo;
import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.function.Supplier;

/** A linear layer's weight [out, in] in a checkpoint, to be quantized. */
public final class DenseWeight {

  private final Checkpoint checkpoint;
  private final String name;
  private final ByteBuffer values;
  private final FloatType type;
  private final long[] shape;

  /**
   * @param name of the tensor
   * @param turned whether it is stored as [in, out], as GPT-2's are; it is then copied
   * @throws QuantizationException if it is no floating-point type that can be quantized
   */
  public DenseWeight(Checkpoint checkpoint, String name, boolean turned) {
    this.checkpoint = checkpoint;
    this.name = name;
    TensorInfo info = checkpoint.info(name);
    this.type = naming(() -> FloatType.of(info.dtype()));
    long[] stored = info.dimensions();
    ByteBuffer bytes = checkpoint.bytes(name);
    this.values = turned ? Transpose.of(bytes, type, (int) stored[0], (int) stored[1]) : bytes;
    this.shape = turned ? new long[] {stored[1], stored[0]} : stored;
  }

  /**
   * {@return the weight in few bits}
   *
   * @throws QuantizationException if it cannot be quantized; the message names file and tensor
   */
  public QuantizedTensor quantize(QuantizationConfig config) {
    return naming(() -> new Quantizer(config).quantize(values, type, shape));
  }

  /** {@return how far {@code packed} is from this} */
  public QuantizationError error(QuantizedTensor packed) {
    return naming(() -> QuantizationError.measure(values, type, packed));
  }

  /** {@return the weight in float32 [out, in]} */
  public float[] toFloats() {
    return type.toFloats(values);
  }

  private <T> T naming(Supplier<T> work) {
    try {
      return work.get();
    } catch (QuantizationException e) {
      throw new QuantizationException(
          String.format(Locale.ROOT, "%s: '%s': %s", checkpoint.path(), name, e.getMessage()), e);
    }
  }
}
