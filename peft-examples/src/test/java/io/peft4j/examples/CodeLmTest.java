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
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The whole of practice project 2, with a model of a few thousand weights. */
class CodeLmTest {

  @TempDir private Path temp;
  private Path sources;

  @BeforeEach
  void writeSources() throws IOException {
    sources = Files.createDirectories(temp.resolve("sources"));
    for (int i = 0; i < 6; i++) {
      String field = "  private final Pump pump" + i + " = Pump.of(Alarm.LOW, " + i + ");\n";
      Files.writeString(
          sources.resolve("Pump" + i + ".java"),
          "class Pump" + i + " {\n" + field.repeat(25) + "}\n");
    }
  }

  private String run(int expected, String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine command = CodeLm.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    assertEquals(expected, command.execute(arguments), () -> out + "\n" + err);
    return out + "\n" + err;
  }

  @Test
  void pretrainsTunesAndLeavesTheBaseAlone() throws IOException {
    Path output = temp.resolve("out");
    List<String> arguments =
        new ArrayList<>(
            List.of("--output", output.toString(), "--tune", sources.toString(), "--tune-steps"));
    arguments.addAll(List.of("30", "--rank", "4", "--block", "64", "--batch-size", "4"));
    List<String> all = new ArrayList<>(arguments);
    all.addAll(
        List.of("--vocabulary", "280", "--layers", "1", "--hidden", "32", "--pretrain-steps", "4"));
    String said = run(0, all.toArray(String[]::new));
    assertTrue(said.contains("without the adapter the base is what it was"), said);
    for (String file : List.of("config.json", "model.safetensors", "tokenizer.json")) {
      assertTrue(Files.exists(output.resolve("base").resolve(file)), file);
    }
    assertTrue(Files.exists(output.resolve("adapter").resolve(AdapterFiles.WEIGHTS)));

    // the same with a model that is there
    byte[] before = Files.readAllBytes(output.resolve("base/model.safetensors"));
    arguments.addAll(List.of("--model", output.resolve("base").toString()));
    run(0, arguments.toArray(String[]::new));
    assertArrayEquals(before, Files.readAllBytes(output.resolve("base/model.safetensors")));
  }

  @Test
  void saysWhatIsMissing() {
    assertTrue(
        run(1, "--model", temp.resolve("none").toString()).contains("none"), "names the folder");
    assertTrue(run(1, "--tune", temp.resolve("absent.jar").toString()).contains("absent.jar"));
  }
}
