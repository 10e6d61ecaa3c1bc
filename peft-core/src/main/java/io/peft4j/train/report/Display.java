package io.peft4j.train.report;

import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Figures as people read them, the same in every listener. */
public final class Display {

  private Display() {}

  /** Bytes in decimal units: {@code 512 kB}, {@code 1.24 GB}. */
  public static String bytes(long bytes) {
    if (bytes >= 1_000_000_000L) {
      return format("%.2f GB", bytes / 1e9);
    }
    return bytes >= 1_000_000L ? format("%.0f MB", bytes / 1e6) : format("%.0f kB", bytes / 1e3);
  }

  /** Seconds as {@code 45s}, {@code 2m05s} or {@code 1h02m}; {@code ?} where they are unknown. */
  public static String duration(double seconds) {
    if (!Double.isFinite(seconds)) {
      return "?";
    }
    long whole = Math.round(seconds);
    if (whole < 60) {
      return whole + "s";
    }
    return whole < 3600
        ? format("%dm%02ds", whole / 60, whole % 60)
        : format("%dh%02dm", whole / 3600, whole % 3600 / 60);
  }

  /** A rate or count: thousands grouped, one decimal below 100. */
  public static String rate(double perSecond) {
    return perSecond < 100 ? format("%.1f", perSecond) : format("%,.0f", perSecond);
  }

  /** A metric or loss with four decimals. */
  public static String metric(double value) {
    return format("%.4f", value);
  }

  /** A learning rate: {@code 1.0e-03}. */
  public static String learningRate(double value) {
    return format("%.1e", value);
  }

  /** A count with thousands grouped. */
  public static String count(long value) {
    return format("%,d", value);
  }

  /** A share of 0 to 1 in percent, without the sign. */
  public static String percent(double share) {
    return format("%.2f", 100 * share);
  }

  /** Epochs done, as a fraction. */
  public static String epoch(double epoch) {
    return format("%.2f", epoch);
  }

  /** Metrics in their order: {@code loss 0.3120, accuracy 0.9100}. */
  public static String metrics(Map<String, Double> metrics) {
    return metrics.entrySet().stream()
        .map(entry -> entry.getKey() + " " + metric(entry.getValue()))
        .collect(Collectors.joining(", "));
  }

  /** Resident memory, or the heap where the operating system does not tell; and a GPU's. */
  public static String memory(ProcessMemory memory) {
    String gpu = memory.gpu().map(use -> ", GPU " + bytes(use.usedBytes())).orElse("");
    return memory.rssBytes().isPresent()
        ? bytes(memory.rssBytes().getAsLong()) + gpu
        : bytes(memory.heapBytes()) + " heap" + gpu;
  }

  /**
   * The peak of resident memory, or the heap now where the operating system does not tell; and that
   * of a GPU's.
   */
  public static String peakMemory(ProcessMemory memory) {
    String gpu = memory.gpu().map(use -> ", GPU " + bytes(use.peakBytes())).orElse("");
    return memory.peakRssBytes().isPresent()
        ? bytes(memory.peakRssBytes().getAsLong()) + gpu
        : bytes(memory.heapBytes()) + " heap" + gpu;
  }

  private static String format(String pattern, Object... arguments) {
    return String.format(Locale.ROOT, pattern, arguments);
  }
}
