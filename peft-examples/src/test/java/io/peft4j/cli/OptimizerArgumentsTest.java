package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code --optim-args}, as a user gives them. */
class OptimizerArgumentsTest {

  private static final Path MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal", "llama");

  @TempDir private Path temp;

  private PeftRun train(String output, String... more) throws IOException {
    Path data = temp.resolve("data.jsonl");
    Files.write(data, List.of("{\"text\": \"Rinse the probe.\"}", "{\"text\": \"Start again.\"}"));
    List<String> options = new ArrayList<>(List.of("train", "--task", "causal-lm"));
    options.addAll(List.of("--model", MODEL.toString(), "--data", data.toString()));
    options.addAll(List.of("--output", temp.resolve(output).toString()));
    options.addAll(List.of("--batch-size", "1", "--eval-split", "0", "--max-steps", "2"));
    options.addAll(List.of(more));
    return PeftRun.of(options.toArray(String[]::new));
  }

  private byte[] adapter(String output) throws IOException {
    return Files.readAllBytes(temp.resolve(output).resolve("adapter_model.safetensors"));
  }

  private void refused(String expected, String... more) throws IOException {
    PeftRun run = train("refused", more);
    assertEquals(2, run.code(), run.err());
    assertTrue(run.err().contains(expected), run.err());
  }

  /** Half the step at the full rate is the full step at half the rate, exactly. */
  @Test
  void reachTheOptimizer() throws IOException {
    String[] sgd = {"--optim", ShrinkingSgd.NAME, "--lr-scheduler-type", "constant"};
    for (String[] each :
        new String[][] {
          {"whole", "--learning-rate", "0.5"},
          {"half", "--learning-rate", "0.25"},
          {"shrunk", "--learning-rate", "0.5", "--optim-args", "shrink=0.5"},
          {"named-as-in-python", "--learning-rate", "0.5", "--optim_args=shrink=0.5"}
        }) {
      List<String> more = new ArrayList<>(List.of(sgd));
      more.addAll(Arrays.asList(each).subList(1, each.length));
      PeftRun run = train(each[0], more.toArray(String[]::new));
      assertEquals(0, run.code(), run.err());
    }
    assertFalse(Arrays.equals(adapter("whole"), adapter("half")));
    assertTrue(Arrays.equals(adapter("half"), adapter("shrunk")));
    assertTrue(Arrays.equals(adapter("half"), adapter("named-as-in-python")));
  }

  @Test
  void areRefusedWhereTheyMeanNothing() throws IOException {
    refused(
        "optim_args: expected of shrinking_sgd some of [shrink], found shrinc; near: shrink",
        "--optim=" + ShrinkingSgd.NAME,
        "--optim-args=shrinc=0.5");
    refused(
        "optim_args: shrink: expected a finite number, found 'much'",
        "--optim=" + ShrinkingSgd.NAME,
        "--optim-args=shrink=much");
    refused("--optim-args does nothing ", "--optim-args=shrink=0.5");
  }
}
