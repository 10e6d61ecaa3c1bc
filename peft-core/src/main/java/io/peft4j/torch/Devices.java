package io.peft4j.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.StandardCapabilities;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Devices by the names that PyTorch gives them, and what a machine lacks to have one. */
public final class Devices {

  private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,3}))?");

  private Devices() {}

  /**
   * {@return the device of that name}
   *
   * @param name {@code cpu}; {@code cuda} or {@code cuda:N}; {@code auto} for the first GPU if
   *     libtorch can use it, else the CPU
   * @throws IllegalArgumentException if there is no such device; the message says what is missing
   */
  public static Device named(String name) {
    String lower = name.toLowerCase(Locale.ROOT);
    Matcher cuda = CUDA.matcher(lower);
    if (cuda.matches()) {
      int index = cuda.group(1) == null ? 0 : Integer.parseInt(cuda.group(1));
      missing(index)
          .ifPresent(
              what -> {
                throw new IllegalArgumentException("device " + name + ": " + what);
              });
      return Device.gpu(index);
    }
    return switch (lower) {
      case "cpu" -> Device.cpu();
      case "auto" -> missing(0).isEmpty() ? Device.gpu(0) : Device.cpu();
      default ->
          throw new IllegalArgumentException(
              "device: expected cpu, cuda, cuda:N or auto, found " + name);
    };
  }

  /**
   * {@return why libtorch cannot use that GPU, in a sentence; empty if it can}
   *
   * @param index of the GPU, from 0
   */
  public static Optional<String> missing(int index) {
    Engine engine = Natives.engine();
    boolean forCuda = engine.hasCapability(StandardCapabilities.CUDA);
    boolean driver = hasDriver();
    if (!forCuda || !driver) {
      return Optional.of(
          (driver ? "" : "no NVIDIA driver (libcuda cannot be loaded)")
              + (driver || forCuda ? "" : ", and ")
              + (forCuda
                  ? ""
                  : "the libtorch in use, " + engine.getVersion() + ", is for CPUs only")
              + "; docs/gpu.md says what a machine needs");
    }
    int count = engine.getGpuCount();
    return index < count
        ? Optional.empty()
        : Optional.of("there is no GPU " + index + ", libtorch sees " + count);
  }

  private static boolean hasDriver() {
    try {
      NativeLibrary.getInstance(Platform.isWindows() ? "nvcuda" : "libcuda.so.1");
      return true;
    } catch (UnsatisfiedLinkError e) {
      return false; // which is the answer
    }
  }
}
