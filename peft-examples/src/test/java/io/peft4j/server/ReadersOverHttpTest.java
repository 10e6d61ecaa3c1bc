package io.peft4j.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Labels and vectors of texts, beside what transformers and peft gave. */
class ReadersOverHttpTest {

  private static final double TOLERANCE = 1e-4;

  @TempDir private Path temp;

  private static JsonNode good(Served.Answer answer) {
    assertEquals(200, answer.status(), answer.text());
    return answer.json();
  }

  private static double[] numbers(JsonNode array) {
    double[] numbers = new double[array.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = array.path(i).asDouble();
    }
    return numbers;
  }

  @Test
  void labelsAreTransformers() throws Exception {
    Path folder = Served.GOLDEN.resolve("encoders/bert");
    JsonNode golden = JsonFiles.read(folder.resolve("golden.json")).at("/cases/0");
    JsonNode ids = golden.at("/inputs/input_ids");
    try (Served served = Served.of(ServedModel.Kind.CLASSIFIER, folder)) {
      JsonNode answer = good(served.post("/v1/classify", "{\"input\":" + ids + "}"));
      assertEquals(ids.size(), answer.path("data").size());
      for (int i = 0; i < ids.size(); i++) {
        double[] expected = numbers(golden.path("logits").path(i));
        JsonNode each = answer.path("data").path(i);
        assertArrayEquals(expected, numbers(each.path("logits")), TOLERANCE);
        double sum = 0;
        for (double logit : expected) {
          sum += Math.exp(logit);
        }
        for (int k = 0; k < expected.length; k++) {
          assertEquals(
              Math.exp(expected[k]) / sum, each.path("probs").path(k).asDouble(), TOLERANCE);
        }
        assertEquals(expected.length, each.path("num_classes").asInt());
        assertTrue(each.path("label").isTextual());
      }
      // the tokenizer's text, and one that is too long
      JsonNode text = good(served.post("/invocations", "{\"input\":\"the good film\"}"));
      assertTrue(text.at("/usage/prompt_tokens").asInt() >= 5, text.toString());
      String long_ = "{\"input\":\"" + "film ".repeat(500) + "\"";
      assertEquals(400, served.post("/v1/classify", long_ + "}").status());
      good(served.post("/v1/classify", long_ + ",\"truncate_prompt_tokens\":-1}"));
      assertEquals(404, served.post("/v1/completions", "{\"prompt\":\"a\"}").status());
    }
  }

  @Test
  void anAdapterBringsItsHead() throws Exception {
    Path adapter = Served.GOLDEN.resolve("lora/bert-seq-cls");
    JsonNode golden = JsonFiles.read(adapter.resolve("golden.json"));
    Path base = Served.GOLDEN.resolve(golden.path("base").asText());
    JsonNode inputs = JsonFiles.read(base.resolve("golden.json")).at("/cases/0/inputs");
    try (Served served = Served.of(ServedModel.Kind.CLASSIFIER, base)) {
      served.served.register("tuned", adapter);
      String body = "{\"model\":\"tuned\",\"input\":" + inputs.path("input_ids") + "}";
      JsonNode answer = good(served.post("/v1/classify", body));
      JsonNode expected = golden.at("/logits/unpadded");
      assertEquals(
          expected.size(), answer.path("data").size(), golden.toString().substring(0, 300));
      for (int i = 0; i < expected.size(); i++) {
        assertArrayEquals(
            numbers(expected.path(i)),
            numbers(answer.path("data").path(i).path("logits")),
            TOLERANCE);
      }
    }
  }

  /** Means of the states that transformers, and peft with its adapter, gave; of length 1. */
  @Test
  void vectorsAreMeansOfStates() throws Exception {
    Path base = bare(temp);
    JsonNode golden = JsonFiles.read(base.resolve("golden.json")).at("/cases/0");
    Path adapter = Served.GOLDEN.resolve("lora/bert-bare");
    JsonNode tuned =
        JsonFiles.read(adapter.resolve("golden.json")).at("/last_hidden_state/unpadded");
    JsonNode ids = golden.at("/inputs/input_ids");
    try (Served served = Served.of(ServedModel.Kind.ENCODER, base)) {
      served.served.register("tuned", adapter);
      check(served, "base", ids, golden.path("last_hidden_state"));
      check(served, "tuned", ids, tuned);
      String packed = "{\"encoding_format\":\"base64\",\"input\":" + ids + "}";
      JsonNode plain = good(served.post("/v1/embeddings", "{\"input\":" + ids + "}"));
      String text = good(served.post("/v1/embeddings", packed)).at("/data/0/embedding").asText();
      float[] floats = new float[plain.at("/data/0/embedding").size()];
      ByteBuffer.wrap(Base64.getDecoder().decode(text))
          .order(ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .get(floats);
      for (int i = 0; i < floats.length; i++) {
        assertEquals(plain.at("/data/0/embedding").path(i).asDouble(), floats[i], 1e-6);
      }
      assertEquals(400, served.post("/v1/embeddings", "{\"input\":[5],\"dimensions\":4}").status());
    }
  }

  /** The model without a head has no tokenizer of its own; that of its sister is as large. */
  static Path bare(Path temp) throws IOException {
    Path folder = Files.createDirectories(temp.resolve("bare"));
    for (String file : List.of("config.json", "golden.json", "model.safetensors")) {
      Files.copy(Served.GOLDEN.resolve("encoders/bert-bare").resolve(file), folder.resolve(file));
    }
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(Served.GOLDEN.resolve("encoders/bert").resolve(file), folder.resolve(file));
    }
    return folder;
  }

  private static void check(Served served, String model, JsonNode ids, JsonNode states)
      throws Exception {
    String body = "{\"model\":\"" + model + "\",\"input\":" + ids + "}";
    JsonNode answer = good(served.post("/v1/embeddings", body));
    for (int i = 0; i < ids.size(); i++) {
      double[] mean = new double[states.path(i).path(0).size()];
      for (JsonNode token : states.path(i)) {
        for (int j = 0; j < mean.length; j++) {
          mean[j] += token.path(j).asDouble() / states.path(i).size();
        }
      }
      double length = 0;
      for (double value : mean) {
        length += value * value;
      }
      for (int j = 0; j < mean.length; j++) {
        mean[j] /= Math.sqrt(length);
      }
      assertArrayEquals(
          mean, numbers(answer.path("data").path(i).path("embedding")), TOLERANCE, model);
    }
  }
}
