package io.peft4j.train.report;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The memory this process holds. What the operating system counts includes native tensors, which
 * the heap does not; it is read from Linux's {@code /proc/self/status} and absent elsewhere.
 *
 * @param rssBytes resident memory ({@code VmRSS}): anonymous pages and touched pages of mapped
 *     files
 * @param peakRssBytes the largest resident memory so far ({@code VmHWM})
 * @param heapBytes Java heap in use, garbage included
 * @param gpu memory of the GPU that the model is on; absent on a CPU, or where nobody can tell
 */
public record ProcessMemory(
    OptionalLong rssBytes, OptionalLong peakRssBytes, long heapBytes, Optional<Gpu> gpu) {

  /**
   * A GPU's memory.
   *
   * @param usedBytes what is taken, by all processes; see {@link io.peft4j.torch.GpuMemory.Use}
   * @param peakBytes the most that a {@link MemoryMonitor} has seen taken
   * @param totalBytes what the GPU has
   */
  public record Gpu(long usedBytes, long peakBytes, long totalBytes) {}

  /** Of a process without a GPU. */
  public ProcessMemory(OptionalLong rssBytes, OptionalLong peakRssBytes, long heapBytes) {
    this(rssBytes, peakRssBytes, heapBytes, Optional.empty());
  }

  ProcessMemory withGpu(Optional<Gpu> value) {
    return new ProcessMemory(rssBytes, peakRssBytes, heapBytes, value);
  }

  private static final Path STATUS = Path.of("/proc/self/status");

  /** Reads the memory of this process, in some tens of microseconds. */
  public static ProcessMemory now() {
    Runtime runtime = Runtime.getRuntime();
    return of(status(STATUS), runtime.totalMemory() - runtime.freeMemory());
  }

  static ProcessMemory of(List<String> status, long heapBytes) {
    return new ProcessMemory(field(status, "VmRSS:"), field(status, "VmHWM:"), heapBytes);
  }

  static List<String> status(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      // no such file outside Linux, and some sandboxes hide it: the figure is then absent
      return List.of();
    }
  }

  /** What libtorch's and the JVM's libraries take of mapped pages once they are in use. */
  private static final long LIBRARIES = 250L << 20;

  /**
   * {@return what the process holds, with the libraries' pages and the heap still to come, but
   * without the pages of other files} Where the system does not say, the heap and the libraries.
   */
  public static long withoutFiles() {
    List<String> status = status(STATUS);
    OptionalLong anonymous = field(status, "RssAnon:");
    return LIBRARIES + anonymous.orElseGet(() -> now().heapBytes()) + heapToCome();
  }

  /**
   * {@return the Java heap that the JVM has set aside and not used yet, in bytes} It is not
   * resident, but will be before garbage is collected: with the JVM's defaults some hundred
   * megabytes on a machine of 24 GiB, which {@code -Xmx} bounds.
   */
  public static long heapToCome() {
    long bytes = 0;
    for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
      if (pool.getType() == MemoryType.HEAP) {
        bytes += pool.getUsage().getCommitted() - pool.getPeakUsage().getUsed();
      }
    }
    return Math.max(0, bytes);
  }

  /** {@return the machine's memory, or the container's, in bytes} */
  public static long ofMachine() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize()
        : Runtime.getRuntime().maxMemory();
  }

  /** The value of a line like {@code VmRSS: 123456 kB}, in bytes. */
  private static OptionalLong field(List<String> status, String name) {
    for (String line : status) {
      if (line.startsWith(name)) {
        String[] words = line.substring(name.length()).trim().split("\\s+");
        if (words.length == 2 && words[0].matches("\\d{1,15}") && words[1].equals("kB")) {
          return OptionalLong.of(Long.parseLong(words[0]) * 1024);
        }
      }
    }
    return OptionalLong.empty();
  }
}
