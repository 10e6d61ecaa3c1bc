package io.peft4j.torch;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;

/**
 * Bounds the memory of oneDNN, which libtorch runs bfloat16 on. It compiles a kernel for each
 * combination of shapes it meets and keeps 1024 of them, at some 300 KiB each; batches of varied
 * lengths meet that many. oneDNN reads its bounds from the environment when it is first used, and
 * the library offers no other way to set them.
 */
final class KernelCaches {

  /**
   * Enough for some 20 shapes of batches at about 25 kernels each, which is what packed rows of
   * short texts come to. A fourth of it costs 10 % of the speed there and saves 100 MB.
   */
  private static final String KERNELS = "512";

  /**
   * libtorch's own store in front of that, of prepared operations with their buffers. Of 512 it
   * keeps 200 MB that never pay.
   */
  private static final String OPERATIONS = "64";

  private KernelCaches() {}

  /** Sets the bounds, unless the user's environment does. No effect once oneDNN has been used. */
  static void bound() {
    if (!Platform.isLinux()) {
      return; // Windows has no setenv, and libtorch for macOS no oneDNN kernels
    }
    Function setenv = NativeLibrary.getProcess().getFunction("setenv");
    if (System.getenv("DNNL_PRIMITIVE_CACHE_CAPACITY") == null) {
      setenv.invokeInt(new Object[] {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS, 0});
    }
    setenv.invokeInt(new Object[] {"LRU_CACHE_CAPACITY", OPERATIONS, 0});
  }
}
