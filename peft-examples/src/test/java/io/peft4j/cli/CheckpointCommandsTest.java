package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands that write whole checkpoints: merge on decoders, full fine-tuning. */
class CheckpointCommandsTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden");

  @TempDir Path temp;

  private static float[] logProbs(CausalLm lm) {
    return lm.logProbs(List.of(lm.sequence(new int[] {5, 9, 13, 4, 77, 50})))[0];
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "phi3", "gemma2"})
  void mergeOfADecoder(String name) throws IOException {
    Path base = GOLDEN.resolve("decoders").resolve(name);
    Path adapter = GOLDEN.resolve("decoders").resolve("lora-" + name);
    Path merged = temp.resolve("merged");
    int code =
        Peft.run(
            "merge",
            "--model",
            base.toString(),
            "--adapter",
            adapter.toString(),
            "--output",
            merged.toString());
    assertEquals(0, code);
    float[] expected;
    try (CausalLm lm = CausalLm.load(base, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.load("a", adapter);
      expected = logProbs(lm);
    }
    try (CausalLm lm = CausalLm.load(merged, LoadOptions.DEFAULT)) {
      float[] found = logProbs(lm);
      for (int i = 0; i < expected.length; i++) {
        assertEquals(expected[i], found[i], 1e-5f, name);
      }
    }
  }

  @Test
  void fullFineTuningGivesACheckpointThatPredicts() throws IOException {
    Path model = GOLDEN.resolve("encoders").resolve("bert");
    Path data = temp.resolve("data.tsv");
    List<String> rows = new ArrayList<>(List.of("sentence\tlabel"));
    for (int i = 0; i < 24; i++) {
      rows.add(i % 2 == 0 ? "the good film " + i + "\tpos" : "a bad movie " + i + "\tneg");
    }
    Files.write(data, rows);
    Path tuned = temp.resolve("tuned");
    List<String> train =
        List.of(
            "train",
            "--method",
            "full",
            "--new-head",
            "--model",
            model.toString(),
            "--data",
            data.toString(),
            "--output",
            tuned.toString(),
            "--max-steps",
            "30",
            "--learning-rate",
            "3e-3");
    assertEquals(0, Peft.run(train.toArray(String[]::new)));
    Path input = temp.resolve("input.jsonl");
    Files.write(input, List.of("{\"text\": \"the good film\"}", "{\"text\": \"a bad movie\"}"));
    Path output = temp.resolve("output.jsonl");
    int code =
        Peft.run(
            "predict",
            "--model",
            tuned.toString(),
            "--input",
            input.toString(),
            "--output",
            output.toString());
    assertEquals(0, code);
    List<String> lines = Files.readAllLines(output);
    assertTrue(lines.get(0).contains("\"pos\""), lines.get(0));
    assertTrue(lines.get(1).contains("\"neg\""), lines.get(1));
  }
}
