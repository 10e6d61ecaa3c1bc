package io.peft4j.cuda;

import io.peft4j.torch.Natives;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * What this machine offers, or why it offers nothing. A machine without a GPU is no error.
 *
 * @param usable whether {@link CudaContext#open} can be called
 * @param reason in one sentence why not; empty if usable
 * @param name of the device, empty if none was reached
 * @param driverVersion as the driver tells it, 12040 for 12.4; 0 if there is none
 * @param capability compute capability, 80 for 8.0; 0 if no device was reached
 * @param memoryBytes of the device
 * @param multiprocessors of the device
 */
public record GpuStatus(
    boolean usable,
    String reason,
    String name,
    int driverVersion,
    int capability,
    long memoryBytes,
    int multiprocessors) {

  /** The oldest driver: CUDA 12.0, whose PTX version is the kernels'. */
  static final int OLDEST_DRIVER = 12000;

  /** The oldest GPU: Turing. */
  static final int OLDEST_CAPABILITY = 75;

  /** Looks at the first device. */
  public static GpuStatus probe() {
    return probe(0);
  }

  /**
   * Looks at a device. Never throws for what is missing.
   *
   * @param ordinal of the device, from 0
   */
  public static GpuStatus probe(int ordinal) {
    try {
      return ask(ordinal);
    } catch (LinkageError e) {
      String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      return absent(
          0,
          "no NVIDIA driver: libcuda.so.1 or JCuda's natives for this platform cannot be loaded ("
              + why
              + ")");
    }
  }

  private static GpuStatus ask(int ordinal) {
    // JCuda unpacks its library where the first call of its class finds it, under a fixed name
    int init = Natives.unpackingPrivately(() -> JCudaDriver.cuInit(0));
    if (init == CUresult.CUDA_ERROR_NO_DEVICE) {
      return absent(0, "the NVIDIA driver sees no GPU");
    }
    if (init != CUresult.CUDA_SUCCESS) {
      return absent(0, "the NVIDIA driver does not start: " + CUresult.stringFor(init));
    }
    int[] value = new int[1];
    Driver.check("cuDriverGetVersion", JCudaDriver.cuDriverGetVersion(value));
    int version = value[0];
    Driver.check("cuDeviceGetCount", JCudaDriver.cuDeviceGetCount(value));
    if (ordinal < 0 || ordinal >= value[0]) {
      return absent(version, "there is no GPU " + ordinal + ", the driver sees " + value[0]);
    }
    CUdevice device = new CUdevice();
    Driver.check("cuDeviceGet", JCudaDriver.cuDeviceGet(device, ordinal));
    int capability =
        10 * attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
            + attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    int processors = attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    byte[] name = new byte[128];
    Driver.check("cuDeviceGetName", JCudaDriver.cuDeviceGetName(name, name.length, device));
    long[] bytes = new long[1];
    Driver.check("cuDeviceTotalMem", JCudaDriver.cuDeviceTotalMem(bytes, device));
    String reason = unfit(version, capability);
    return new GpuStatus(
        reason.isEmpty(), reason, text(name), version, capability, bytes[0], processors);
  }

  private static String unfit(int version, int capability) {
    if (version < OLDEST_DRIVER) {
      return String.format(
          Locale.ROOT,
          "the driver supports CUDA %d.%d, the kernels need 12.0; update it",
          version / 1000,
          version % 1000 / 10);
    }
    if (capability < OLDEST_CAPABILITY) {
      return String.format(
          Locale.ROOT,
          "the GPU's compute capability is %d.%d, the kernels need 7.5 (Turing) or later",
          capability / 10,
          capability % 10);
    }
    return "";
  }

  private static int attribute(CUdevice device, int attribute) {
    int[] value = new int[1];
    Driver.check(
        "cuDeviceGetAttribute", JCudaDriver.cuDeviceGetAttribute(value, attribute, device));
    return value[0];
  }

  private static GpuStatus absent(int version, String reason) {
    return new GpuStatus(false, reason, "", version, 0, 0, 0);
  }

  private static String text(byte[] zeroTerminated) {
    int length = 0;
    while (length < zeroTerminated.length && zeroTerminated[length] != 0) {
      length++;
    }
    return new String(zeroTerminated, 0, length, StandardCharsets.UTF_8);
  }
}
