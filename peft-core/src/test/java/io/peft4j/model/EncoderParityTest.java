package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Logits of every family and head against transformers, unpadded, padded on either side, pairs. */
class EncoderParityTest {

  static Stream<String> checkpoints() {
    return Golden.folders("encoders", "").stream().filter(name -> !name.equals("bert-bare"));
  }

  @ParameterizedTest
  @MethodSource("checkpoints")
  void logitsEqualTransformers(String name) throws IOException {
    JsonNode golden = Golden.json("encoders/" + name + "/golden.json");
    try (Model model = Model.load(Golden.path("encoders/" + name), LoadOptions.DEFAULT)) {
      int cases = 0;
      for (JsonNode test : golden.get("cases")) {
        try (TokenBatch batch = Golden.batch(model, test.get("inputs"))) {
          double distance = Golden.distance(Golden.matrix(test.get("logits")), model.logits(batch));
          System.out.printf(
              Locale.ROOT, "%s %s: largest difference %.1e%n", name, test.get("name"), distance);
          assertTrue(distance < 1e-5, test.get("name") + ": " + distance);
        }
        cases++;
      }
      assertTrue(cases > 0);
      JsonNode problem = golden.get("problem_type");
      if (!problem.isNull()) {
        assertEquals(problem.asText(), model.task().problemType());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("checkpoints")
  void bfloat16StaysNearFloat32(String name) throws IOException {
    JsonNode golden = Golden.json("encoders/" + name + "/golden.json");
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16);
    try (Model model = Model.load(Golden.path("encoders/" + name), options)) {
      for (JsonNode test : golden.get("cases")) {
        try (TokenBatch batch = Golden.batch(model, test.get("inputs"))) {
          double distance = Golden.distance(Golden.matrix(test.get("logits")), model.logits(batch));
          assertTrue(distance < 0.15, test.get("name") + ": " + distance);
        }
      }
    }
  }
}
