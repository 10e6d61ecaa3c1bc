package io.peft4j.cuda;

import java.util.Locale;
import jcuda.driver.JCudaDriver;

/** The device's own copy: what memory bandwidth there is. */
final class DeviceCopy {
  private DeviceCopy() {}

  static Probe probe(Workbench bench, long bytes) {
    DeviceMemory from = bench.zeros(Math.toIntExact(bytes));
    DeviceMemory to = bench.allocate(bytes);
    return new Probe(
        String.format(Locale.ROOT, "device copy of %d MiB", bytes >> 20),
        0,
        2.0 * bytes,
        0,
        () -> copy(bench.context, from, to),
        () -> new float[0][]);
  }

  private static void copy(CudaContext context, DeviceMemory from, DeviceMemory to) {
    context.enter();
    context.check(
        "cuMemcpyDtoDAsync",
        JCudaDriver.cuMemcpyDtoDAsync(to.pointer(), from.pointer(), to.span().bytes(), null),
        String.format(Locale.ROOT, "%,d bytes", to.span().bytes()));
  }
}
