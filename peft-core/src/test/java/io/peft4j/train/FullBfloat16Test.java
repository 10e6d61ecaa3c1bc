package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Full fine-tuning in bfloat16 beside Hugging Face's Trainer with {@code bf16=True}, see
 * make_full_bf16.py. The trained weights are float32 whatever the checkpoint holds, as they are
 * there with {@code dtype=float32}. What Trainer makes of a bfloat16 checkpoint by default, weights
 * in which small updates are lost, is measured too.
 */
class FullBfloat16Test {

  private static final JsonNode GOLDEN = Golden.json("full-bf16/golden.json");

  @ParameterizedTest
  @CsvSource({"float32, causal/llama, F32", "bfloat16, full-bf16/checkpoint, BF16"})
  void lossesAreAsNearToFloat32AsAutocasts(
      String stored, String folder, String type, @TempDir Path temporary) throws IOException {
    JsonNode curves = GOLDEN.get("curves").get(stored);
    JsonNode exact = curves.get("float32");
    double float32 = distance(exact, run(folder, Precision.FLOAT32, temporary.resolve("float32")));
    Path output = temporary.resolve("bfloat16");
    double ours = distance(exact, run(folder, Precision.BFLOAT16, output));
    double autocast = distance(exact, losses(curves.get("autocast")));
    double rounded = curves.has("rounded") ? distance(exact, losses(curves.get("rounded"))) : 0;
    System.out.printf(
        Locale.ROOT,
        "full fine-tuning of a %s checkpoint, %d steps, losses beside transformers' in float32:"
            + " float32 %.1e; bfloat16 %.4f, transformers %.4f with float32 weights",
        stored,
        exact.size(),
        float32,
        ours,
        autocast);
    System.out.printf(Locale.ROOT, rounded == 0 ? "%n" : ", %.4f with bfloat16 weights%n", rounded);
    assertTrue(float32 < 1e-4, "float32: " + float32);
    assertTrue(ours < 3 * autocast, "bfloat16: " + ours + ", transformers: " + autocast);
    assertTrue(rounded == 0 || ours < rounded / 4, ours + " and " + rounded);
    try (SafetensorsFile file = SafetensorsFile.open(output.resolve("model.safetensors"))) {
      file.tensors().values().forEach(tensor -> assertEquals(type, tensor.dtype().name()));
    }
  }

  private static double[] run(String folder, Precision precision, Path output) throws IOException {
    JsonNode settings = GOLDEN.get("settings");
    TrainingArguments arguments =
        TrainingArguments.builder()
            .numTrainEpochs(settings.get("epochs").asDouble())
            .perDeviceTrainBatchSize(settings.get("batch").asInt())
            .learningRate(settings.get("rate").asDouble())
            .seed(GOLDEN.get("seed").asLong())
            .build();
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(precision);
    CausalSetTest.Steps steps = new CausalSetTest.Steps();
    try (CausalLm lm = CausalLm.load(Golden.path(folder), options);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("all", new FullConfig(), 1);
      CausalSet set = CausalRun.examples(lm);
      new Trainer(adapted, "all", arguments, set, null, steps, output, Map.of()).train(false);
    }
    return steps.reports.stream().mapToDouble(step -> step.loss()).toArray();
  }

  private static double[] losses(JsonNode curve) {
    double[] losses = new double[curve.size()];
    for (int i = 0; i < losses.length; i++) {
      losses[i] = curve.get(i).asDouble();
    }
    return losses;
  }

  private static double distance(JsonNode expected, double[] found) {
    assertEquals(expected.size(), found.length);
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      worst = Math.max(worst, Math.abs(expected.get(i).asDouble() - found[i]));
    }
    return worst;
  }
}
