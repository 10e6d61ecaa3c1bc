package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.quant.QuantizationError;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;

/**
 * Prints how far weights are from what they were made of: a table, or JSON lines.
 *
 * @param json whether to print JSON
 */
record ErrorReport(boolean json) {

  private static final String ROW = "%-52s %14s %11s %11s %11s %11s%n";

  void head() {
    if (!json) {
      System.out.printf(
          Locale.ROOT, ROW, "weight", "shape", "abs error", "rel error", "rms error", "largest");
    }
  }

  /**
   * @param more what a line of JSON says besides
   */
  void row(
      String weight, List<Long> shape, QuantizationError error, UnaryOperator<ObjectNode> more) {
    if (json) {
      ObjectNode line =
          JsonNodeFactory.instance
              .objectNode()
              .put("weight", weight)
              .put("mean_absolute", error.meanAbsolute())
              .put("mean_relative", error.meanRelative())
              .put("root_mean_square", error.rootMeanSquare())
              .put("largest", error.largest())
              .put("shape", shape.toString());
      print(more.apply(line));
      return;
    }
    System.out.printf(
        Locale.ROOT,
        ROW,
        weight,
        shape,
        String.format(Locale.ROOT, "%.3e", error.meanAbsolute()),
        String.format(Locale.ROOT, "%.4f", error.meanRelative()),
        String.format(Locale.ROOT, "%.3e", error.rootMeanSquare()),
        String.format(Locale.ROOT, "%.3e", error.largest()));
  }

  static void print(ObjectNode line) {
    try {
      JsonOutput.println(System.out, line);
    } catch (IOException e) {
      throw new IllegalStateException("a tree of numbers and texts is always JSON", e);
    }
  }
}
