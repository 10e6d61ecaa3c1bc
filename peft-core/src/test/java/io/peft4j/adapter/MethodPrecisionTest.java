package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * In bfloat16 every method is as near to its float32 self as the reference is to its own: how far
 * rounding takes an adapted model is in its weights (these are random ones, where it goes far), so
 * the reference says, run in both types by {@code make_bfloat16.py}. Ours may be off by twice as
 * much, since the roundings fall elsewhere, and by some of bfloat16's 2⁻⁹ where the reference is
 * off by next to nothing.
 */
class MethodPrecisionTest {

  private static final JsonNode REFERENCE = Golden.json("bfloat16.json");
  private static final double FEW = 4 * Math.pow(2, -9);

  static Stream<String> adapters() {
    return Golden.folders("methods", "").stream();
  }

  /** What an adapted model gives, and the gradients of the adapter. */
  private record Results(float[][] outputs, Map<String, float[]> gradients) {}

  private static Results run(String name, Precision precision) throws IOException {
    JsonNode golden = Golden.json("methods/" + name + "/golden.json");
    try (Subject subject = new Subject(golden, precision)) {
      Adapter adapter = subject.adapted.load("a", Golden.path("methods/" + name));
      float[][] adapted = outputs(subject);
      adapter.setTrainable(true);
      subject.backward(false);
      return new Results(adapted, Gradients.take(adapter));
    }
  }

  private static float[][] outputs(Subject subject) {
    if (subject.lm != null) {
      return subject.lm.logProbs(List.of(subject.lm.sequence(new int[] {5, 9, 13, 4, 77, 30, 31})));
    }
    try (TokenBatch batch = subject.batch()) {
      return subject.model.logits(batch);
    }
  }

  /** {@return |a - b| / |b| as single vectors} */
  private static double distance(float[][] a, float[][] b) {
    double difference = 0;
    double square = 0;
    for (int i = 0; i < b.length; i++) {
      for (int j = 0; j < b[i].length; j++) {
        difference += Math.pow(a[i][j] - b[i][j], 2);
        square += Math.pow(b[i][j], 2);
      }
    }
    return Math.sqrt(difference / square);
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void roundsAsTheReferenceDoes(String name) throws IOException {
    Results exact = run(name, Precision.FLOAT32);
    Results rounded = run(name, Precision.BFLOAT16);
    double outputs = distance(rounded.outputs, exact.outputs);
    double gradients =
        distance(
            rounded.gradients.values().toArray(float[][]::new),
            exact.gradients.values().toArray(float[][]::new));
    JsonNode expected = REFERENCE.get(name);
    System.out.printf(
        Locale.ROOT,
        "%s: outputs off by %.4f, the reference's by %.4f; gradients by %.4f, the reference's by %s%n",
        name,
        outputs,
        expected.get(0).asDouble(),
        gradients,
        expected.get(1));
    assertTrue(outputs > 0, "it is in bfloat16");
    assertTrue(outputs < 2 * expected.get(0).asDouble() + FEW, "outputs: " + outputs);
    // peft does not load prompts to be trained: those may be off by as much as what is furthest.
    // Rounding turns units of a relu on or off, and of a tiny bottleneck's four one is much.
    boolean kinked = name.startsWith("bottleneck-") && !name.matches(".*(houlsby|channel|drop).*");
    double bound = expected.get(1).isNull() || kinked ? 0.1 : expected.get(1).asDouble();
    assertTrue(gradients < 2 * bound + FEW, "gradients: " + gradients);
  }
}
