package io.peft4j.train.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/**
 * The memory this process holds. What the operating system counts includes native tensors, which
 * the heap does not; it is read from Linux's {@code /proc/self/status} and absent elsewhere.
 *
 * @param rssBytes resident memory ({@code VmRSS}): anonymous pages and touched pages of mapped
 *     files
 * @param peakRssBytes the largest resident memory so far ({@code VmHWM})
 * @param heapBytes Java heap in use, garbage included
 */
public record ProcessMemory(OptionalLong rssBytes, OptionalLong peakRssBytes, long heapBytes) {

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
