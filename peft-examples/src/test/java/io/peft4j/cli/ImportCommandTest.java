package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code peft import} as a user types it. */
class ImportCommandTest {

  @TempDir Path folder;

  @Test
  void makesAFolderThatInspectReads() {
    Path output = folder.resolve("minilm");
    PeftRun.good("import", "--model", "minilm", "--output", output.toString());
    assertTrue(Files.exists(output.resolve("model.safetensors")));
    PeftRun.good("inspect", "--model", output.toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--jar x.jar | expected either --model or --onnx",
        "--model minilm --onnx a.onnx | expected either --model or --onnx",
        "--onnx a.onnx --heads 12 | --onnx, --tokenizer and --heads are given together",
        "--model minilm --heads 12 | --onnx, --tokenizer and --heads are given together",
        "--onnx a.onnx --tokenizer t.json --heads 12 --jar x.jar | --jar: goes with --model",
        "--model maxilm | expected one of minilm, bge-small, e5-small, bert-base-uncased, found",
        "--onnx a.onnx --tokenizer t.json --heads 12 | a.onnx",
      })
  void saysWhatIsWrong(String arguments, String expected) {
    Path output = folder.resolve("out");
    String line = "import --output " + output + " " + arguments.strip();
    PeftRun run = PeftRun.of(line.split(" +"));
    assertTrue(run.code() != 0);
    assertTrue(run.err().contains(expected.strip()), run.err());
    assertFalse(Files.exists(output));
  }
}
