package io.peft4j.cuda;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.kernel.EightBitAdam;
import io.peft4j.quant.kernel.Memory;
import io.peft4j.quant.kernel.PackedWeight;
import io.peft4j.quant.kernel.QuantKernels;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/**
 * peft-quant's kernels on a GPU, the first unless another is asked for, for 4-bit weights. Where
 * there is no usable GPU it is not available, and {@link #status} says why.
 */
public final class CudaKernels implements QuantKernels {
  private static final int PRIORITY = 100;

  private final int gpu;
  private final GpuStatus status;
  private CudaContext context;
  private OptimizerKernels optimizer;

  /** For {@link java.util.ServiceLoader}. */
  public CudaKernels() {
    this(0);
  }

  private CudaKernels(int gpu) {
    this.gpu = gpu;
    this.status = GpuStatus.probe(gpu);
  }

  /** What the GPU is, or why there is none. */
  public GpuStatus status() {
    return status;
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public boolean isAvailable() {
    return status.usable();
  }

  @Override
  public int priority() {
    return PRIORITY;
  }

  @Override
  public boolean onDevice() {
    return true;
  }

  @Override
  public QuantKernels onGpu(int index) {
    CudaKernels other = new CudaKernels(index);
    if (!other.isAvailable()) {
      throw new IllegalArgumentException("cuda:" + index + ": " + other.status.reason());
    }
    return other;
  }

  /**
   * {@inheritDoc}
   *
   * @throws CudaException if it does not fit into the device's memory; nothing stays allocated, and
   *     the weight can be placed with other kernels
   * @throws IllegalStateException if there is no usable GPU
   */
  @Override
  public PackedWeight place(QuantizedTensor weight) {
    if (!(weight instanceof FourBitTensor fourBit)) {
      throw new QuantizationException(
          "the CUDA kernels take nf4 and fp4, found "
              + weight.type().id()
              + "; such a model runs on the CPU");
    }
    if (weight.shape().length != 2) {
      throw new QuantizationException(
          "a projection's weight is a matrix, found shape " + Arrays.toString(weight.shape()));
    }
    CudaContext opened = context();
    return new Placed(new WeightKernels(opened), DeviceWeight.copyOf(opened, fourBit));
  }

  @Override
  public Optional<EightBitAdam> adam() {
    OptimizerKernels kernels = optimizer();
    return Optional.of(
        (parameter, gradient, first, second, count, step) ->
            kernels.adamW(
                span(parameter),
                span(gradient),
                new OptimizerKernels.Moments(
                    span(first.codes()),
                    span(first.absmax()),
                    span(second.codes()),
                    span(second.absmax())),
                count,
                new OptimizerKernels.AdamStep(
                    (float) step.rate(),
                    (float) step.beta1(),
                    (float) step.beta2(),
                    (float) step.epsilon(),
                    (float) step.weightDecay(),
                    step.step(),
                    (float) step.gradientScale())));
  }

  private static DeviceSpan span(Memory memory) {
    if (!(memory instanceof Memory.Device device)) {
      throw new QuantizationException("the CUDA kernels want the device's memory");
    }
    return new DeviceSpan(device.address(), device.length());
  }

  private synchronized CudaContext context() {
    if (context == null) {
      context = CudaContext.open(gpu);
    }
    return context;
  }

  private synchronized OptimizerKernels optimizer() {
    if (optimizer == null) {
      optimizer = new OptimizerKernels(context());
    }
    return optimizer;
  }

  @Override
  public synchronized void close() {
    if (optimizer != null) {
      optimizer.close();
      optimizer = null;
    }
    if (context != null) {
      context.close();
      context = null;
    }
  }

  /** A weight on the device. */
  private record Placed(WeightKernels kernels, DeviceWeight weight) implements PackedWeight {
    @Override
    public int outputs() {
      return weight.outputs();
    }

    @Override
    public int inputs() {
      return weight.inputs();
    }

    @Override
    public long bytes() {
      return weight.bytes();
    }

    @Override
    public void dequantize(Memory target, FloatType type) {
      kernels.dequantize(weight, type, span("W", target, weight.count(), type));
    }

    @Override
    public void multiply(Memory x, Memory y, int rows, FloatType type) {
      DeviceSpan in = span("x", x, (long) rows * inputs(), type);
      DeviceSpan out = span("y", y, (long) rows * outputs(), type);
      kernels.multiply(type, in, rows, weight, null, null, out);
    }

    @Override
    public void multiplyTransposed(Memory gy, Memory gx, int rows, FloatType type) {
      DeviceSpan in = span("gy", gy, (long) rows * outputs(), type);
      DeviceSpan out = span("gx", gx, (long) rows * inputs(), type);
      kernels.inputGradient(type, in, rows, weight, null, false, out);
    }

    @Override
    public void close() {
      weight.close();
    }

    private static DeviceSpan span(String name, Memory memory, long elements, FloatType type) {
      if (!(memory instanceof Memory.Device device)) {
        throw new QuantizationException(
            name + " lies on the host; the CUDA kernels want the device");
      }
      if (device.length() != elements * type.bytes()) {
        throw new QuantizationException(
            String.format(
                Locale.ROOT,
                "%s takes %d bytes of %s, found %d",
                name,
                elements * type.bytes(),
                type.torchName(),
                device.length()));
      }
      return new DeviceSpan(device.address(), device.length());
    }
  }
}
