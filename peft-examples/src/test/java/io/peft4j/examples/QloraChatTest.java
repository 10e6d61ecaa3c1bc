package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdapterFiles;
import io.peft4j.examples.code.NewLlama;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
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
      "answers of the base to what is held out:\n  | ",
      "expected: weights",
      "expected peak memory",
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

  /**
   * A Llama of 100 M parameters in a process of its own: the peak that is foretold is the one
   * measured, but for what the heap, libraries and the allocator add as they please.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  @Tag("slow")
  void foretellsThePeak(boolean recompute) throws IOException, InterruptedException {
    Path model = Files.createDirectories(temp.resolve("llama"));
    new NewLlama(32_000, 12, 768, 12, 4, 2048, 1024).write(model, 1);
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(MODEL.resolve(file), model.resolve(file));
    }
    Path data = temp.resolve("long.jsonl");
    String row = "{\"prompt\": \"Say it:\", \"completion\": \"%s\"}%n";
    Files.writeString(data, String.format(Locale.ROOT, row, "so it is ".repeat(400)).repeat(16));
    Path log = temp.resolve("log.txt");
    List<String> line =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-cp",
                System.getProperty("java.class.path"),
                QloraChat.class.getName(),
                "--model",
                model.toString(),
                "--data",
                data.toString(),
                "--output",
                temp.resolve("out").toString()));
    line.addAll(List.of("--batch-size", "4", "--max-length", "256", "--steps", "4"));
    if (recompute) {
      line.add("--gradient-checkpointing");
    }
    Process process =
        new ProcessBuilder(line).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    int code = process.waitFor();
    String said = Files.readString(log);
    assertEquals(0, code, said);
    double expected = number(said, "expected peak memory: (\\d+) MB");
    double measured = number(said, "after training: peak memory (\\d+) MB");
    System.out.printf(
        Locale.ROOT,
        "100 M Llama, 4 x 256 tokens, rank 32, recompute %s: expected %.0f MB, measured %.0f MB%n",
        recompute,
        expected,
        measured);
    assertEquals(1, expected / measured, 0.25, said);
  }

  private static double number(String text, String pattern) {
    Matcher matcher = Pattern.compile(pattern).matcher(text);
    assertTrue(matcher.find(), text);
    return Double.parseDouble(matcher.group(1));
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
