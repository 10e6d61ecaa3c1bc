package io.peft4j.cuda;

import jcuda.driver.CUevent;
import jcuda.driver.JCudaDriver;

/** Times work on the device by events in its own stream. */
final class Stopwatch {
  private static final int MOST_WARM_UP = 3;

  private Stopwatch() {}

  /**
   * Milliseconds one run of {@code work} takes on the device, from {@code runs} in a row.
   *
   * @param work queues kernels
   */
  static double milliseconds(CudaContext context, int runs, Runnable work) {
    for (int i = 0; i < Math.min(MOST_WARM_UP, runs - 1); i++) {
      work.run();
    }
    CUevent start = event(context);
    try {
      CUevent end = event(context);
      try {
        context.check("cuEventRecord", JCudaDriver.cuEventRecord(start, null), "");
        for (int i = 0; i < runs; i++) {
          work.run();
        }
        context.check("cuEventRecord", JCudaDriver.cuEventRecord(end, null), "");
        context.check("cuEventSynchronize", JCudaDriver.cuEventSynchronize(end), "");
        float[] elapsed = new float[1];
        context.check(
            "cuEventElapsedTime", JCudaDriver.cuEventElapsedTime(elapsed, start, end), "");
        return elapsed[0] / runs;
      } finally {
        JCudaDriver.cuEventDestroy(end);
      }
    } finally {
      JCudaDriver.cuEventDestroy(start);
    }
  }

  private static CUevent event(CudaContext context) {
    context.enter();
    CUevent event = new CUevent();
    context.check("cuEventCreate", JCudaDriver.cuEventCreate(event, 0), "");
    return event;
  }
}
