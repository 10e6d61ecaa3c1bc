package io.peft4j.cuda;

import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The primary context of a GPU, which PyTorch uses too, and the kernels loaded into it. Safe for
 * use by many threads. Close it after everything that was made with it.
 */
public final class CudaContext implements AutoCloseable {
  private final GpuStatus status;
  private final CUdevice device = new CUdevice();
  private final CUcontext context = new CUcontext();
  private final Map<String, CudaModule> modules = new HashMap<>();
  private volatile CudaException lostBy;
  private boolean closed;

  private CudaContext(GpuStatus status) {
    this.status = status;
  }

  /**
   * Opens a device's primary context.
   *
   * @param ordinal of the device, from 0
   * @throws IllegalStateException with the probe's reason, if the device is not usable
   * @throws CudaException if the driver refuses
   */
  public static CudaContext open(int ordinal) {
    GpuStatus status = GpuStatus.probe(ordinal);
    if (!status.usable()) {
      throw new IllegalStateException(status.reason());
    }
    CudaContext opened = new CudaContext(status);
    Driver.check("cuDeviceGet", JCudaDriver.cuDeviceGet(opened.device, ordinal));
    Driver.check(
        "cuDevicePrimaryCtxRetain",
        JCudaDriver.cuDevicePrimaryCtxRetain(opened.context, opened.device));
    try {
      opened.enter();
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
    return opened;
  }

  /** What device this is. */
  public GpuStatus status() {
    return status;
  }

  /** Whether calls can succeed: not after an error that lost the context, nor after close. */
  public synchronized boolean isUsable() {
    return lostBy == null && !closed;
  }

  /**
   * Bytes free on the device.
   *
   * @throws CudaException if the driver cannot tell
   */
  public long freeBytes() {
    enter();
    long[] free = new long[1];
    check("cuMemGetInfo", JCudaDriver.cuMemGetInfo(free, new long[1]), "");
    return free[0];
  }

  /**
   * Waits until the device has done all that was asked of it. Errors of earlier launches surface
   * here at the latest.
   *
   * @throws CudaException if one failed
   */
  public void synchronize() {
    enter();
    check("cuCtxSynchronize", JCudaDriver.cuCtxSynchronize(), "");
  }

  /** Makes this the calling thread's context. */
  void enter() {
    CudaException lost = lostBy;
    if (lost != null) {
      throw new CudaException(
          lost.call(),
          lost.code(),
          "the context is lost since an earlier call; restart the process");
    }
    check("cuCtxSetCurrent", JCudaDriver.cuCtxSetCurrent(context), "");
  }

  void check(String call, int code, String detail) {
    if (code == CUresult.CUDA_SUCCESS) {
      return;
    }
    CudaException failure = new CudaException(call, code, detail);
    if (failure.isContextLost()) {
      lostBy = failure;
    }
    throw failure;
  }

  /** The kernel {@code name} of the source file {@code module}; loaded when first asked for. */
  synchronized Kernel kernel(String module, String name) {
    if (closed) {
      throw new IllegalStateException("the CUDA context is closed");
    }
    enter();
    CudaModule loaded = modules.get(module);
    if (loaded == null) {
      loaded = CudaModule.load(this, PtxModule.forCapability(module, status.capability()));
      modules.put(module, loaded);
    }
    return loaded.kernel(name);
  }

  /** Unloads the kernels and gives the primary context back; PyTorch's use of it goes on. */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      JCudaDriver.cuCtxSetCurrent(context);
      for (CudaModule module : modules.values()) {
        int code = module.unload();
        if (lostBy == null) { // else it went with the context
          Driver.check("cuModuleUnload", code);
        }
      }
    } finally {
      modules.clear();
      Driver.check("cuDevicePrimaryCtxRelease", JCudaDriver.cuDevicePrimaryCtxRelease(device));
    }
  }
}
