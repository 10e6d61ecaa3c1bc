package io.peft4j.cuda;

import java.util.Locale;

/** A call of the CUDA driver failed. */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** From here on the driver's codes mean that the context is lost, with all memory in it. */
  private static final int FIRST_STICKY = 700;

  private static final int LAUNCH_OUT_OF_RESOURCES = 701;
  private static final int LAST_STICKY = 719;
  private static final int OUT_OF_MEMORY = 2;

  private final String call;
  private final int code;

  CudaException(String call, int code, String detail) {
    super(
        String.format(
            Locale.ROOT,
            "%s failed with %s (%d)%s",
            call,
            jcuda.driver.CUresult.stringFor(code),
            code,
            detail.isEmpty() ? "" : ": " + detail));
    this.call = call;
    this.code = code;
  }

  /** The driver's function, such as {@code cuMemAlloc}. */
  public String call() {
    return call;
  }

  /** The driver's {@code CUresult}. */
  public int code() {
    return code;
  }

  /** Whether there was too little memory on the device; everything else goes on working. */
  public boolean isOutOfMemory() {
    return code == OUT_OF_MEMORY;
  }

  /** Whether the context is lost: no call will succeed in this process again. */
  public boolean isContextLost() {
    return code >= FIRST_STICKY && code <= LAST_STICKY && code != LAUNCH_OUT_OF_RESOURCES;
  }
}
