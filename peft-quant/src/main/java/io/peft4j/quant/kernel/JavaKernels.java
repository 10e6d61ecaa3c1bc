package io.peft4j.quant.kernel;

import io.peft4j.quant.QuantizedTensor;

/** The reference: plain Java on host memory. */
final class JavaKernels implements QuantKernels {
  @Override
  public String name() {
    return "java";
  }

  @Override
  public boolean isAvailable() {
    return true;
  }

  @Override
  public int priority() {
    return 0;
  }

  @Override
  public boolean onDevice() {
    return false;
  }

  @Override
  public PackedWeight place(QuantizedTensor weight) {
    return new JavaPackedWeight(weight);
  }
}
