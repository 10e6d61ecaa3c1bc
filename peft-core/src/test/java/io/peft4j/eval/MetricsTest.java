package io.peft4j.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The golden file is written by metrics.py beside it, from scikit-learn and SciPy. */
class MetricsTest {
  private static final double TOLERANCE = 1e-12;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static JsonNode golden;

  @BeforeAll
  static void load() throws IOException {
    try (InputStream in = MetricsTest.class.getResourceAsStream("metrics.json")) {
      golden = JSON.readTree(in);
    }
  }

  @Test
  void classesAgreeWithScikitLearn() {
    for (JsonNode c : golden.get("classes")) {
      String name = c.get("name").asText();
      int[] predicted = JSON.convertValue(c.get("predicted"), int[].class);
      int[] reference = JSON.convertValue(c.get("reference"), int[].class);
      assertValue(c, "accuracy", Metrics.accuracy(predicted, reference));
      assertValue(c, "f1_macro", Metrics.f1Macro(predicted, reference));
      assertValue(c, "f1_micro", Metrics.f1Micro(predicted, reference));
      assertValue(c, "matthews", Metrics.matthews(predicted, reference));
      Map<Integer, Double> f1 = JSON.convertValue(c.get("f1"), new TypeReference<>() {});
      f1.forEach(
          (label, value) ->
              assertEquals(
                  value,
                  Metrics.f1(predicted, reference, label),
                  TOLERANCE,
                  name + " f1 " + label));
    }
  }

  @Test
  void multiLabelAgreesWithScikitLearn() {
    for (JsonNode c : golden.get("hot")) {
      boolean[][] predicted = JSON.convertValue(c.get("predicted"), boolean[][].class);
      boolean[][] reference = JSON.convertValue(c.get("reference"), boolean[][].class);
      assertValue(c, "f1_macro", Metrics.f1Macro(predicted, reference));
      assertValue(c, "f1_micro", Metrics.f1Micro(predicted, reference));
      assertValue(c, "subset_accuracy", Metrics.subsetAccuracy(predicted, reference));
    }
  }

  @Test
  void correlationsAgreeWithSciPy() {
    for (JsonNode c : golden.get("numbers")) {
      double[] predicted = JSON.convertValue(c.get("predicted"), double[].class);
      double[] reference = JSON.convertValue(c.get("reference"), double[].class);
      assertValue(c, "pearson", Metrics.pearson(predicted, reference));
      assertValue(c, "spearman", Metrics.spearman(predicted, reference));
      assertValue(c, "mse", Metrics.meanSquaredError(predicted, reference));
    }
  }

  @Test
  void perplexityIsOfTheMeanToken() {
    assertEquals(8, Metrics.perplexity(5 * Math.log(8), 5), TOLERANCE);
    assertThrows(IllegalArgumentException.class, () -> Metrics.perplexity(0, 0));
  }

  @Test
  void nothingToMeasureIsAnError() {
    assertThrows(IllegalArgumentException.class, () -> Metrics.accuracy(new int[0], new int[0]));
    assertThrows(
        IllegalArgumentException.class, () -> Metrics.matthews(new int[] {1}, new int[] {1, 0}));
  }

  private static void assertValue(JsonNode golden, String measure, double actual) {
    assertEquals(
        golden.get(measure).asDouble(),
        actual,
        TOLERANCE,
        () -> golden.get("name").asText() + ": " + measure);
  }
}
