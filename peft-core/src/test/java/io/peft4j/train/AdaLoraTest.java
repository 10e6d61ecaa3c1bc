package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** AdaLoRA's budget goes where peft's goes, and the loss is peft's. */
class AdaLoraTest {

  @TempDir Path temp;

  private static Map<String, float[]> read(Path folder) throws IOException {
    Map<String, float[]> tensors = new TreeMap<>();
    try (SafetensorsFile file = SafetensorsFile.open(folder.resolve(AdapterFiles.WEIGHTS))) {
      for (TensorInfo info : file.tensors().values()) {
        float[] values = new float[(int) info.elements()];
        file.bytes(info.name()).asFloatBuffer().get(values);
        tensors.put(info.name().substring("base_model.model.".length()), values);
      }
    }
    return tensors;
  }

  @Test
  void theBudgetMovesAsPefts() throws IOException {
    JsonNode golden = Golden.json("adalora/golden.json");
    Path start = Golden.path("adalora/start");
    try (CausalLm lm =
            CausalLm.load(Golden.path(golden.get("base").asText()), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      MethodConfig config =
          ((MethodConfig) AdapterFiles.readConfig(start)).with("inference_mode", false);
      Adapter adapter = adapted.add("a", config, 1);
      read(start).forEach((key, values) -> adapter.tensors().get(key).set(values));
      int steps = golden.get("losses").size();
      int tokens = golden.get("tokens").asInt();
      adapter.beginTraining(steps);
      TrainingArguments arguments = TrainingArguments.builder().weightDecay(0).build();
      try (ParameterUpdates optimizer =
          new ParameterUpdates(adapter.tensors(), lm.model().manager(), arguments)) {
        for (int step = 1; step <= steps; step++) {
          double loss;
          try (TokenBatch batch = lm.model().batch(Golden.labelled(lm.model(), golden))) {
            loss = lm.model().forwardBackward(batch, null, 1.0 / tokens, 0, false) / tokens;
          }
          loss += adapter.beforeUpdate();
          assertEquals(golden.get("losses").get(step - 1).asDouble(), loss, 1e-4, "step " + step);
          optimizer.step(golden.get("rate").asDouble(), 1);
          adapter.afterUpdate(step, 1);
          optimizer.clearGradients();
        }
      }
      adapted.save("a", temp, Map.of());
    }
    Path end = Golden.path("adalora/end");
    assertEquals(pattern(end), pattern(temp));
    Map<String, float[]> expected = read(end);
    expected.values().removeIf(values -> values.length == 0); // a module without rank
    Map<String, float[]> found = read(temp);
    assertEquals(expected.keySet(), found.keySet());
    expected.forEach((key, values) -> assertArrayEquals(values, found.get(key), 1e-3f, key));
  }

  private static JsonNode pattern(Path folder) throws IOException {
    return new ObjectMapper()
        .readTree(folder.resolve(AdapterFiles.CONFIG).toFile())
        .get("rank_pattern");
  }
}
