package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is wrong with a command line, or with a file it names, is said in one sentence. */
class ComplaintTest {

  private static final String MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal", "llama")
          .toString();

  @TempDir private Path temp;

  private static void says(String said, String... arguments) {
    PeftRun run = PeftRun.of(arguments);
    assertNotEquals(0, run.code(), run.out());
    assertEquals(said, run.err().strip());
  }

  private Path file(String name, String... lines) throws IOException {
    return Files.write(temp.resolve(name), List.of(lines));
  }

  @Test
  void commandLines() {
    says(
        "peft merge: Unknown option: '--outptu'; near: --output; see peft merge --help",
        "merge",
        "--model=a",
        "--adapter=b",
        "--output=c",
        "--outptu");
    says(
        "peft quantize: Missing required option: '--output=DIR'; see peft quantize --help",
        "quantize",
        "--model",
        "a");
    says(
        "peft generate: Invalid value for option '--top-k': '1.5' is not an int; see peft generate"
            + " --help",
        "generate",
        "--model=a",
        "--top-k=1.5");
    says(
        "peft: Unmatched argument at index 0: 'trian'; near: train, quantize; see peft --help",
        "trian");
  }

  @Test
  void configFiles() throws IOException {
    Path missing = temp.resolve("no.yaml");
    says(
        "peft score: --config: " + missing + ": no such file or folder; see peft score --help",
        "score",
        "--config=" + missing);
    Path broken = file("broken.yaml", "input: a", "model: [b");
    PeftRun run = PeftRun.of("score", "--config", broken.toString());
    assertEquals(1, run.err().strip().lines().count(), run.err());
    assertTrue(run.err().contains(broken + ": not YAML: "), run.err());
    assertTrue(run.err().contains("(line "), run.err());
  }

  @Test
  void files() throws IOException {
    Path missing = temp.resolve("no.jsonl");
    Path rows = file("rows.jsonl", "{\"input_ids\": [1, 2]}");
    Path out = temp.resolve("out.jsonl");
    says(
        "peft score: " + missing + ": no such file or folder",
        "score",
        "--model",
        MODEL,
        "--input=" + missing,
        "--output=" + out);
    says(
        "peft score: " + temp + ": expected a file of JSON lines, found a folder",
        "score",
        "--model",
        MODEL,
        "--input=" + temp,
        "--output=" + out);
    says(
        "peft score: " + temp + ": expected a file to write, found a folder",
        "score",
        "--model",
        MODEL,
        "--input=" + rows,
        "--output=" + temp);
    says(
        "peft score: --output " + rows + " is the input; name another file",
        "score",
        "--model",
        MODEL,
        "--input=" + rows,
        "--output=" + rows);
    says(
        "peft train: " + rows + ": expected a folder, found a file",
        "train",
        "--task=causal-lm",
        "--model",
        MODEL,
        "--output=" + rows,
        "--eval-split=0",
        "--data=" + file("texts.jsonl", "{\"text\": \"abc\"}"));
    assertFalse(Files.exists(out));
  }

  @Test
  void rows() throws IOException {
    Path out = temp.resolve("out.jsonl");
    String[][] wrong = {
      {"{", "not JSON: Unexpected end-of-input: expected close marker for Object (column 2)"},
      {"{\"text\": NaN}", "not JSON: Non-standard token 'NaN' (column 13)"},
      {"{\"text\": 5}", "'text' should be a string, found 5"},
      {
        "{\"input_ids\": [1]} x",
        "not JSON: Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or token"
            + " 'null', 'true' or 'false') (column 20)"
      },
    };
    for (String[] row : wrong) {
      Path rows = file("rows.jsonl", row[0]);
      says(
          "peft score: " + rows + ":1: " + row[1],
          "score",
          "--model",
          MODEL,
          "--input=" + rows,
          "--output=" + out);
    }
  }
}
