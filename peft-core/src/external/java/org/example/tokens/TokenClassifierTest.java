package org.example.tokens;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.data.LabelNames;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.torch.Autograd;
import io.peft4j.train.LabelledSet;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A head for tokens, by nothing but what the library exports, against transformers and peft. */
class TokenClassifierTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path output;

  private static Path folder() throws URISyntaxException {
    return Path.of(TokenClassifierTest.class.getResource("config.json").toURI()).getParent();
  }

  private static JsonNode golden() throws IOException, URISyntaxException {
    return JSON.readTree(folder().resolve("golden.json").toFile());
  }

  private static Model model() throws IOException, URISyntaxException {
    return Model.load(folder(), LoadOptions.DEFAULT, TokenClassifierHead.KIND);
  }

  private static List<TokenSequence> rows(Model model, JsonNode golden) {
    List<TokenSequence> rows = new ArrayList<>();
    for (JsonNode row : golden.get("rows")) {
      int[] ids = JSON.convertValue(row.get("ids"), int[].class);
      int[] types = JSON.convertValue(row.get("types"), int[].class);
      rows.add(
          model.sequence(ids, types).withLabels(JSON.convertValue(row.get("labels"), int[].class)));
    }
    return rows;
  }

  @Test
  void logitsLossAndGradientsAreThoseOfTransformersAndPeft() throws Exception {
    JsonNode golden = golden();
    try (Model model = model();
        AdaptedModel adapted = new AdaptedModel(model)) {
      assertEquals(List.of("O", "B", "I"), model.labels().names());
      Adapter adapter = adapted.load("tokens", folder().resolve("adapter"));
      adapter.setTrainable(true);
      LabelledSet set = new LabelledSet(rows(model, golden), model.head());
      assertEquals(9, set.labels());
      try (TokenBatch batch = set.batch(model, new int[] {0, 1, 2})) {
        float[][] logits = model.logits(batch);
        int at = 0;
        for (JsonNode row : golden.get("logits")) {
          for (JsonNode token : row) {
            assertArrayEquals(
                JSON.convertValue(token, float[].class), logits[at++], 5e-6f, "token " + at);
          }
        }
        assertEquals(at, logits.length, "a row for each token");
        for (boolean recompute : new boolean[] {false, true}) {
          adapter.clearGradients();
          double loss = model.forwardBackward(batch, null, 1.0 / set.labels(), 0, recompute);
          assertEquals(golden.get("loss").asDouble(), loss / set.labels(), 1e-6);
          assertTrue(gradientDistance(adapter) < 1e-5, "gradients: " + gradientDistance(adapter));
        }
      }
      assertEquals(golden.get("loss").asDouble(), set.evaluate(model, 2).get("loss"), 1e-6);
    }
  }

  @Test
  void aNewHeadIsDrawnForTheLabelsThatAreAskedFor() throws Exception {
    LoadOptions options = LoadOptions.DEFAULT.withNewHead(null, LabelNames.of(List.of("X", "Y")));
    try (Model model = Model.load(folder(), options, TokenClassifierHead.KIND)) {
      assertEquals(List.of("X", "Y"), model.labels().names());
      assertEquals(List.of("classifier.weight", "classifier.bias"), model.untrained());
    }
  }

  /** {@return the largest of |found - expected| / |expected| over tensors} */
  private static double gradientDistance(Adapter adapter) throws Exception {
    double worst = 0;
    try (SafetensorsFile file = SafetensorsFile.open(folder().resolve("gradients.safetensors"))) {
      assertEquals(file.tensors().size(), adapter.tensors().size());
      for (Map.Entry<String, NDArray> tensor : adapter.tensors().entrySet()) {
        FloatBuffer expected =
            file.bytes("base_model.model." + tensor.getKey())
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer();
        double difference = 0;
        double square = 0;
        try (NDArray gradient = Autograd.gradient(tensor.getValue())) {
          for (float found : gradient.toFloatArray()) {
            float wanted = expected.get();
            difference += Math.pow(found - wanted, 2);
            square += Math.pow(wanted, 2);
          }
        }
        worst = Math.max(worst, Math.sqrt(difference / square));
      }
    }
    return worst;
  }

  @Test
  void trainsAndIsSavedWithItsHead() throws Exception {
    TrainingArguments arguments =
        TrainingArguments.builder()
            .numTrainEpochs(30)
            .perDeviceTrainBatchSize(3)
            .learningRate(2e-2)
            .evalStrategy(When.NO)
            .saveStrategy(When.NO)
            .build();
    LoraConfig lora =
        LoraConfig.builder().r(2).targetModules("query", "value").taskType("TOKEN_CLS").build();
    double trained;
    try (Model model = model();
        AdaptedModel adapted = new AdaptedModel(model)) {
      LabelledSet set = new LabelledSet(rows(model, golden()), model.head());
      adapted.add("tokens", lora, 1);
      double before = set.evaluate(model, 3).get("loss");
      new Trainer(
              adapted, "tokens", arguments, set, null, new TrainingListener() {}, output, Map.of())
          .train(false);
      Map<String, Double> after = set.evaluate(model, 3);
      trained = after.get("loss");
      assertTrue(trained < before / 4, before + " before, " + trained + " after");
      assertEquals(1, after.get("accuracy"));
    }
    JsonNode config = JSON.readTree(Files.readString(output.resolve("adapter_config.json")));
    assertEquals("TOKEN_CLS", config.get("task_type").asText());
    try (SafetensorsFile file = SafetensorsFile.open(output.resolve("adapter_model.safetensors"))) {
      assertTrue(file.tensors().containsKey("base_model.model.classifier.weight"));
      assertTrue(file.tensors().containsKey("base_model.model.classifier.bias"));
    }
    try (Model model = model();
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.load("tokens", output);
      LabelledSet set = new LabelledSet(rows(model, golden()), model.head());
      assertEquals(trained, set.evaluate(model, 3).get("loss"), 1e-7, "read back");
    }
  }
}
