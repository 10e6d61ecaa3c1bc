package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdapterFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Practice project 2 on a base in 4 bits, with the tiny golden language model. */
class QloraChatTest {

  private static final Path MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal", "llama");
  private static final Path GUIDE = Path.of("..", "docs", "quantization.md");

  @TempDir private Path temp;

  private static String run(int expected, String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine command = QloraChat.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    assertEquals(expected, command.execute(arguments), () -> out + "\n" + err);
    return out + "\n" + err;
  }

  @Test
  void teachesAndSaysWhatMemoryItTakes() throws IOException {
    byte[] base = Files.readAllBytes(MODEL.resolve("model.safetensors"));
    Path output = temp.resolve("chat");
    String said =
        run(
            0,
            "--model",
            MODEL.toString(),
            "--output",
            output.toString(),
            "--max-length",
            "96",
            "--steps",
            "8",
            "--rank",
            "4");
    String[] inOrder = {
      "before loading: peak memory",
      "with the base in nf4: peak memory",
      "answers of the base:\n  | ",
      "expected: weights",
      "after training: peak memory",
      "perplexity of the held-out answers",
      "answers with the adapter:\n  | "
    };
    int from = 0;
    for (String part : inOrder) {
      int at = said.indexOf(part, from);
      assertTrue(at >= 0, part + " in\n" + said);
      from = at + part.length();
    }
    assertTrue(Files.exists(output.resolve(AdapterFiles.WEIGHTS)));
    assertArrayEquals(base, Files.readAllBytes(MODEL.resolve("model.safetensors")));
  }

  @Test
  void saysWhatIsMissing() {
    assertTrue(run(1).contains("run 'peft code' first"));
    assertTrue(run(1, "--model", temp.resolve("none").toString()).contains("none"));
  }

  @Test
  void theGuidesTableIsThePlans() throws IOException {
    List<String> guide = Files.readAllLines(GUIDE);
    List<String> plan =
        run(0, "--plan").lines().filter(line -> line.matches("\\| \\d+B .*")).toList();
    assertEquals(List.copyOf(MemoryPlan.LLAMAS.keySet()).size(), plan.size());
    assertEquals(plan, guide.stream().filter(line -> line.matches("\\| \\d+B .*")).toList());
  }
}
