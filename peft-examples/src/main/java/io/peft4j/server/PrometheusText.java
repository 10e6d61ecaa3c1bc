package io.peft4j.server;

import java.util.List;
import java.util.Locale;

/** Prometheus' text format, version 0.0.4: metrics with their samples. */
final class PrometheusText {

  static final String TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private final StringBuilder out = new StringBuilder();

  /** Begins a metric; its samples follow. */
  PrometheusText metric(String name, String type, String help) {
    out.append("# HELP ").append(name).append(' ').append(help).append('\n');
    out.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    return this;
  }

  /** A metric with one sample. */
  PrometheusText counter(String name, String help, double value) {
    return metric(name, "counter", help).sample(name, value);
  }

  /** A metric with one sample. */
  PrometheusText gauge(String name, String help, double value) {
    return metric(name, "gauge", help).sample(name, value);
  }

  /**
   * @param bounds upper bounds of the buckets, rising
   * @param counts of what is within each bound and not within the one before, and last of what is
   *     above all
   */
  PrometheusText histogram(
      String name, String help, List<Double> bounds, List<Long> counts, double sum) {
    metric(name, "histogram", help);
    long within = 0;
    for (int i = 0; i < bounds.size(); i++) {
      within += counts.get(i);
      sample(name + "_bucket", within, "le", number(bounds.get(i)));
    }
    within += counts.get(bounds.size());
    sample(name + "_bucket", within, "le", "+Inf");
    return sample(name + "_sum", sum).sample(name + "_count", within);
  }

  /**
   * @param labels names and values in turn
   */
  PrometheusText sample(String name, double value, String... labels) {
    out.append(name);
    for (int i = 0; i < labels.length; i += 2) {
      out.append(i == 0 ? '{' : ',').append(labels[i]).append("=\"");
      out.append(escaped(labels[i + 1])).append('"');
    }
    if (labels.length > 0) {
      out.append('}');
    }
    out.append(' ').append(number(value)).append('\n');
    return this;
  }

  private static String escaped(String value) {
    return value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? String.format(Locale.ROOT, "%d", (long) value)
        : Double.toString(value);
  }

  @Override
  public String toString() {
    return out.toString();
  }
}
