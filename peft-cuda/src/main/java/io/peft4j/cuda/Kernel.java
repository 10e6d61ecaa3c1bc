package io.peft4j.cuda;

import java.util.List;
import java.util.Locale;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.JCudaDriver;

/** A kernel, ready to launch on the default stream, in order with PyTorch's work there. */
final class Kernel {
  /** Shared memory that a launch can have without asking for more first. */
  private static final int USUAL_SHARED = 48 << 10;

  private static final int MOST_IN_Y = 65535;

  private final CudaContext context;
  private final String name;
  private final CUfunction function;
  private final List<Integer> parameterBytes;
  private int sharedAllowed = USUAL_SHARED;

  Kernel(CudaContext context, String name, CUfunction function, List<Integer> parameterBytes) {
    this.context = context;
    this.name = name;
    this.function = function;
    this.parameterBytes = parameterBytes;
  }

  /** {@code blocksX} × 1 blocks without dynamic shared memory. */
  void launch(long blocksX, int threads, Arguments arguments) {
    launch(blocksX, 1, threads, 0, arguments);
  }

  /**
   * Starts the kernel; it runs when the device gets to it.
   *
   * @param sharedBytes dynamic shared memory a block
   * @throws IllegalArgumentException if the arguments are not what the PTX takes, or there are more
   *     blocks than a grid holds
   * @throws CudaException if the launch fails, or an earlier one did
   */
  void launch(long blocksX, long blocksY, int threads, int sharedBytes, Arguments arguments) {
    if (!arguments.sizes().equals(parameterBytes)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s takes parameters of %s bytes, found %s",
              name,
              parameterBytes,
              arguments.sizes()));
    }
    if (blocksX < 1 || blocksX > Integer.MAX_VALUE || blocksY < 1 || blocksY > MOST_IN_Y) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "%s: a grid of %d x %d blocks is not possible", name, blocksX, blocksY));
    }
    context.enter();
    allowShared(sharedBytes);
    int code =
        JCudaDriver.cuLaunchKernel(
            function,
            (int) blocksX,
            (int) blocksY,
            1,
            threads,
            1,
            1,
            sharedBytes,
            null,
            arguments.pointer(),
            null);
    context.check("cuLaunchKernel", code, name);
  }

  private synchronized void allowShared(int bytes) {
    if (bytes <= sharedAllowed) {
      return;
    }
    int attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    context.check(
        "cuFuncSetAttribute",
        JCudaDriver.cuFuncSetAttribute(function, attribute, bytes),
        name + " with " + bytes + " bytes of shared memory");
    sharedAllowed = bytes;
  }
}
