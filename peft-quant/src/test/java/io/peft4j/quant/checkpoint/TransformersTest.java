package io.peft4j.quant.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Our checkpoints load in transformers with bitsandbytes, and are what these make of the dense
 * model themselves, to the last bit of every weight and logit. Needs {@code PEFT4J_BNB_PYTHON}, a
 * Python with torch, transformers, accelerate and bitsandbytes.
 */
@Tag("slow")
class TransformersTest {
  private static final Path SCRIPT = Path.of("src/test/python/verify_checkpoint.py");
  private static final Path SHARED =
      Path.of(
          System.getProperty(
              "peft4j.shared", System.getenv().getOrDefault("PEFT4J_SHARED", "../../shared")));

  @TempDir private Path folder;

  @Test
  void transformersMakesTheSameOfTheDenseModel() throws IOException, InterruptedException {
    String python = System.getenv("PEFT4J_BNB_PYTHON");
    if (python == null) {
      System.out.println("skipped: PEFT4J_BNB_PYTHON names no Python with bitsandbytes");
    }
    Assumptions.assumeTrue(python != null, "PEFT4J_BNB_PYTHON is not set");
    run(python, "make", folder.toString());
    List<Path> models = new ArrayList<>();
    for (String name : List.of("llama", "bert", "gpt2")) {
      models.add(folder.resolve(name));
    }
    Path stories = SHARED.resolve("models/stories260k");
    if (Files.isDirectory(stories)) {
      models.add(stories);
    } else {
      System.out.println("without stories260k: no folder " + stories);
    }
    for (Path model : models) {
      for (QuantizationConfig config :
          List.of(
              QuantizationConfig.nf4().withDoubleQuant(true),
              QuantizationConfig.of(QuantType.FP4),
              QuantizationConfig.of(QuantType.INT8))) {
        Path output = Files.createTempDirectory(folder, model.getFileName() + config.type().id());
        new CheckpointQuantizer(config.withComputeType(FloatType.F32)).quantize(model, output);
        System.out.printf("%s as %s: ", model.getFileName(), config.type().id());
        String said = run(python, "compare", model.toString(), output.toString());
        System.out.print(said);
        assertTrue(said.contains("are equal"), said);
      }
    }
  }

  private static String run(String python, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(python, SCRIPT.toString()));
    command.addAll(List.of(arguments));
    Path errors = Files.createTempFile("verify", ".txt");
    Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    String said = new String(process.getInputStream().readAllBytes());
    int code = process.waitFor();
    String trouble = Files.readString(errors);
    Files.delete(errors);
    assertEquals(0, code, said + trouble);
    return said;
  }
}
