package io.peft4j.cuda;

import jcuda.driver.CUresult;

/** Turns the driver's codes into exceptions. */
final class Driver {
  private Driver() {}

  static void check(String call, int code) {
    check(call, code, "");
  }

  static void check(String call, int code, String detail) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw new CudaException(call, code, detail);
    }
  }
}
