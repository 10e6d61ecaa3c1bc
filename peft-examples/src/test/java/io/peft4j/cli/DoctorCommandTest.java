package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the commands say of a GPU on a machine that has none. */
class DoctorCommandTest {

  @BeforeEach
  void withoutGpu() {
    boolean driver = Files.exists(Path.of("/dev/nvidiactl"));
    if (driver) {
      System.out.println("skipped: this machine has a GPU");
    }
    assumeFalse(driver, "this machine has a GPU");
  }

  @ParameterizedTest
  @ValueSource(strings = {"doctor", "doctor --gpu", "doctor --gpu --bench"})
  void withoutAGpuTheDoctorSaysWhatIsMissingAndIsContent(String command) {
    PeftRun run = PeftRun.of(command.split(" "));
    assertEquals(0, run.code(), run.err());
    assertTrue(run.out().contains("GPU: none. no NVIDIA driver: libcuda.so.1"), run.out());
    assertTrue(run.out().contains("Everything runs on the CPU."), run.out());
    assertTrue(
        run.out().contains("Models run on the CPU (--device auto): no NVIDIA driver"), run.out());
    assertTrue(run.out().contains("is for CPUs only; docs/gpu.md says"), run.out());
  }

  private static PeftRun score(Path folder, String device) throws Exception {
    Path input = Files.writeString(folder.resolve("in.jsonl"), "{\"input_ids\": [1, 5, 9]}\n");
    return PeftRun.of(
        "score",
        "--model",
        "../peft-core/src/test/resources/golden/causal/llama",
        "--input",
        input.toString(),
        "--output",
        folder.resolve("out.jsonl").toString(),
        "--device",
        device);
  }

  @Test
  void aGpuThatIsNotThereIsRefusedInASentence(@org.junit.jupiter.api.io.TempDir Path folder)
      throws Exception {
    PeftRun run = score(folder, "cuda");
    assertEquals(2, run.code(), run.out());
    assertTrue(run.err().contains("device cuda: no NVIDIA driver"), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
    assertTrue(Files.notExists(folder.resolve("out.jsonl")));
    assertEquals(0, score(folder, "auto").code());
    assertTrue(Files.exists(folder.resolve("out.jsonl")));
  }
}
