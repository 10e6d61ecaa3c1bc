package io.peft4j.quant.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.peft4j.quant.DynamicQuantizer;
import io.peft4j.quant.kernel.EightBitAdam;
import io.peft4j.quant.kernel.Memory;
import io.peft4j.quant.kernel.QuantKernels;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.NativeTensor;
import io.peft4j.train.optimizer.AdamStep;
import io.peft4j.train.optimizer.MomentStore;
import io.peft4j.train.optimizer.StateMemory;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/**
 * AdamW's moments as a byte an element and a scale a block of 256 (Dettmers et al., 8-bit
 * Optimizers via Block-wise Quantization, 2022), with the maps and under the names of bitsandbytes:
 * {@code state1} and {@code absmax1} for the first moment, signed, {@code state2} and {@code
 * absmax2} for the second.
 */
public final class EightBitMoments implements MomentStore {

  private static final int BLOCK = 256;

  /** Elements that are converted at a time. */
  private static final int CHUNK = 256 * BLOCK;

  /** One moment. */
  private record Moment(DynamicQuantizer quantizer, NDArray codes, NDArray absmax) {

    static Moment create(DynamicQuantizer quantizer, StateMemory memory, long elements) {
      return new Moment(
          quantizer,
          memory.zeros(DataType.UINT8, new Shape(elements)),
          memory.zeros(DataType.FLOAT32, new Shape(blocks(elements))));
    }

    Moment copyTo(NDManager manager) {
      return new Moment(
          quantizer, HostTensors.copyTo(manager, codes), HostTensors.copyTo(manager, absmax));
    }

    void read(NDArray values) {
      HostTensors.write(values, memory -> read(memory.asFloatBuffer()));
    }

    private void read(FloatBuffer to) {
      ByteBuffer from = HostTensors.elements(codes);
      FloatBuffer scales = HostTensors.elements(absmax).asFloatBuffer();
      while (from.hasRemaining()) {
        int n = Math.min(CHUNK, from.remaining());
        byte[] code = new byte[n];
        float[] scale = new float[(int) blocks(n)];
        float[] value = new float[n];
        from.get(code);
        scales.get(scale);
        quantizer.dequantize(code, scale, BLOCK, value);
        to.put(value);
      }
    }

    void write(NDArray values) {
      FloatBuffer from = HostTensors.elements(values).asFloatBuffer();
      HostTensors.write(
          codes,
          to -> HostTensors.write(absmax, scales -> write(from, to, scales.asFloatBuffer())));
    }

    private void write(FloatBuffer from, ByteBuffer to, FloatBuffer scales) {
      while (to.hasRemaining()) {
        int n = Math.min(CHUNK, to.remaining());
        byte[] code = new byte[n];
        float[] scale = new float[(int) blocks(n)];
        float[] value = new float[n];
        from.get(value);
        quantizer.quantize(value, BLOCK, code, scale);
        to.put(code);
        scales.put(scale);
      }
    }

    EightBitAdam.Moment operand() {
      return new EightBitAdam.Moment(device(codes, Byte.BYTES), device(absmax, Float.BYTES));
    }
  }

  private final Moment first;
  private final Moment second;
  private final EightBitAdam adam;

  private EightBitMoments(Moment first, Moment second, EightBitAdam adam) {
    this.first = first;
    this.second = second;
    this.adam = adam;
  }

  /**
   * Zeros.
   *
   * @param manager owner of the memory, which is on its device
   * @param adam takes steps on that device; null to take them on the CPU
   */
  public static EightBitMoments zeros(NDManager manager, long elements, EightBitAdam adam) {
    return zeros(StateMemory.of(manager), elements, adam);
  }

  private static EightBitMoments zeros(StateMemory memory, long elements, EightBitAdam adam) {
    return new EightBitMoments(
        Moment.create(DynamicQuantizer.signed(), memory, elements),
        Moment.create(DynamicQuantizer.unsigned(), memory, elements),
        adam);
  }

  private static long blocks(long elements) {
    return (elements + BLOCK - 1) / BLOCK;
  }

  private static Memory device(NDArray array, int width) {
    return new Memory.Device(NativeTensor.address(array), width * array.size());
  }

  @Override
  public boolean step(NDArray parameter, NDArray gradient, AdamStep step) {
    if (adam == null) {
      return false;
    }
    adam.step(
        device(parameter, Float.BYTES),
        device(gradient, Float.BYTES),
        first.operand(),
        second.operand(),
        parameter.size(),
        step);
    return true;
  }

  @Override
  public void read(NDArray firstMoment, NDArray secondMoment) {
    first.read(firstMoment);
    second.read(secondMoment);
  }

  @Override
  public void write(NDArray firstMoment, NDArray secondMoment) {
    first.write(firstMoment);
    second.write(secondMoment);
  }

  @Override
  public EightBitMoments copyTo(NDManager manager) {
    return new EightBitMoments(first.copyTo(manager), second.copyTo(manager), adam);
  }

  @Override
  public Map<String, NDArray> state() {
    Map<String, NDArray> state = new LinkedHashMap<>();
    state.put("state1", first.codes);
    state.put("absmax1", first.absmax);
    state.put("state2", second.codes);
    state.put("absmax2", second.absmax);
    return state;
  }

  /** Offers {@code adamw_8bit}. As in bitsandbytes, small tensors stay in float32. */
  public static final class Provider implements MomentStore.Provider {

    private static final int FEWEST = 4096;

    /** For the moments of one optimizer, which all are on one device. */
    private QuantKernels kernels;

    /** For {@link java.util.ServiceLoader}. */
    public Provider() {}

    @Override
    public String optim() {
      return "adamw_8bit";
    }

    @Override
    public boolean serves(long elements) {
      return elements >= FEWEST;
    }

    @Override
    public long bytes(long elements) {
      return 2 * (elements + Float.BYTES * blocks(elements));
    }

    @Override
    public MomentStore create(NDManager manager, StateMemory memory, long elements) {
      if (kernels == null) {
        kernels = QuantKernels.on(manager.getDevice());
        manager.attachInternal(UUID.randomUUID().toString(), kernels);
      }
      return zeros(memory, elements, kernels.adam().orElse(null));
    }
  }
}
