package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code --optim paged_…}, as a user asks for it. */
class PagedOptimizerTest {

  private static final Path MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal", "llama");

  @TempDir private Path temp;

  private PeftRun train(String optim, String output, String... more) throws IOException {
    Path data = temp.resolve("data.jsonl");
    Files.write(data, List.of("{\"text\": \"Rinse the probe.\"}", "{\"text\": \"Start again.\"}"));
    List<String> options = new ArrayList<>(List.of("train", "--task", "causal-lm"));
    options.addAll(List.of("--model", MODEL.toString(), "--data", data.toString()));
    options.addAll(List.of("--output", temp.resolve(output).toString(), "--optim", optim));
    // a rank at which every factor is large enough to be paged
    options.addAll(List.of("--r", "8192", "--lora-alpha", "8192", "--target-modules", "q_proj"));
    options.addAll(List.of("--batch-size", "1", "--eval-split", "0", "--save-steps", "3"));
    options.addAll(List.of("--save-strategy", "steps", "--max-steps", "6"));
    options.addAll(List.of(more));
    return PeftRun.of(options.toArray(String[]::new));
  }

  private byte[] adapter(String output) throws IOException {
    return Files.readAllBytes(temp.resolve(output).resolve("adapter_model.safetensors"));
  }

  @Test
  void aRunGoesOnWithOrWithoutPagesToTheSameBytes() throws IOException {
    assertEquals(0, train("adamw_8bit", "plain").code());
    PeftRun paged = train("paged_adamw_8bit", "paged");
    assertEquals(0, paged.code(), paged.err());
    assertArrayEquals(adapter("plain"), adapter("paged"));
    byte[] state = Files.readAllBytes(temp.resolve("plain/checkpoint-6/optimizer.safetensors"));
    assertArrayEquals(
        state, Files.readAllBytes(temp.resolve("paged/checkpoint-6/optimizer.safetensors")));

    Path last = temp.resolve("plain/checkpoint-6");
    Files.move(last, temp.resolve("aside"));
    Files.delete(temp.resolve("plain/adapter_model.safetensors"));
    PeftRun resumed = train("paged_adamw_8bit", "plain", "--resume");
    assertEquals(0, resumed.code(), resumed.err());
    assertArrayEquals(adapter("paged"), adapter("plain"));

    Files.delete(last.resolve("trainer_state.json"));
    PeftRun other = train("paged_adamw_32bit", "plain", "--resume");
    assertEquals(2, other.code());
    assertTrue(other.err().contains("optim (now null, then adamw_8bit)"), other.err());
  }

  @Test
  void aNameThatIsNotKnown() throws IOException {
    PeftRun run = train("paged_lion_8bit", "wrong");
    assertEquals(2, run.code());
    // the last is ShrinkingSgd, of these tests
    String names = "paged_adamw_32bit, adamw_8bit, paged_adamw_8bit, shrinking_sgd]";
    assertTrue(run.err().contains(names), run.err());
  }
}
