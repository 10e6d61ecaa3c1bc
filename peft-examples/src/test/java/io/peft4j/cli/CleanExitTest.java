package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code peft train} in a process of its own that is told to end. */
class CleanExitTest {

  private static final Path MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal", "llama")
          .toAbsolutePath();
  private static final int SIGTERM = 15;
  private static final int STEPS = 150;

  @TempDir private Path temp;

  private List<String> arguments(String output, String... more) throws IOException {
    Path data = temp.resolve("data.jsonl");
    Files.write(data, List.of("{\"text\": \"Rinse the probe.\"}", "{\"text\": \"Start again.\"}"));
    List<String> arguments = new ArrayList<>(List.of("train", "--task", "causal-lm", "--json"));
    arguments.addAll(List.of("--model", MODEL.toString(), "--data", data.toString()));
    arguments.addAll(List.of("--output", temp.resolve(output).toString()));
    arguments.addAll(List.of("--batch-size", "1", "--eval-split", "0", "--max-steps", "" + STEPS));
    arguments.addAll(List.of(more));
    return arguments;
  }

  @Test
  void aRunThatIsToldToEndCanGoOn() throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Peft.class.getName()));
    command.addAll(arguments("ended"));
    Path err = temp.resolve("err.txt");
    Process process =
        new ProcessBuilder(command).directory(temp.toFile()).redirectError(err.toFile()).start();
    boolean signals = process.supportsNormalTermination();
    if (!signals) {
      process.destroyForcibly();
      System.out.println("CleanExitTest skipped: no SIGTERM on this system");
    }
    assumeTrue(signals, "no SIGTERM on this system");
    try (BufferedReader said = process.inputReader()) {
      for (int steps = 0; steps < 7; ) {
        String line = said.readLine();
        assertTrue(line != null, () -> read(err));
        steps += line.contains("\"loss\"") ? 1 : 0;
      }
      process.toHandle().destroy();
      said.transferTo(Writer.nullWriter());
    }
    assertEquals(128 + SIGTERM, process.waitFor(), () -> read(err));
    assertTrue(read(err).contains("ending after the present step"), read(err));
    assertTrue(read(err).contains("peft train: stopped after step"), read(err));
    try (Stream<Path> files = Files.list(temp)) {
      assertFalse(files.anyMatch(file -> file.getFileName().toString().startsWith("hs_err")));
    }
    assertFalse(Files.exists(temp.resolve("ended/adapter_model.safetensors")));

    int done = stepsDone(temp.resolve("ended"));
    assertTrue(done >= 7 && done < STEPS, "stopped after " + done);
    PeftRun.good(arguments("ended", "--resume").toArray(String[]::new));
    PeftRun.good(arguments("whole").toArray(String[]::new));
    assertArrayEquals(adapter("whole"), adapter("ended"));
  }

  private byte[] adapter(String output) throws IOException {
    return Files.readAllBytes(temp.resolve(output).resolve("adapter_model.safetensors"));
  }

  private static int stepsDone(Path output) throws IOException {
    try (Stream<Path> files = Files.list(output)) {
      List<String> checkpoints =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.startsWith("checkpoint-"))
              .toList();
      assertEquals(1, checkpoints.size(), checkpoints.toString());
      return Integer.parseInt(checkpoints.get(0).substring("checkpoint-".length()));
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
