package io.peft4j.quant.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.projection.Merging;
import io.peft4j.quant.projection.PackedExport;
import io.peft4j.quant.projection.QuantizedFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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
    String python = python();
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
        System.out.printf(Locale.ROOT, "%s as %s: ", model.getFileName(), config.type().id());
        String said = run(python, "compare", model.toString(), output.toString());
        System.out.print(said);
        assertTrue(said.contains("are equal"), said);
      }
    }
  }

  /** An adapter merged into packed weights and packed again: Python computes what Java does. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void transformersLoadsWhatIsMergedAndPackedAgain(boolean stored)
      throws IOException, InterruptedException {
    String python = python();
    Path qlora = Path.of("src/test/resources/io/peft4j/quant/qlora");
    QuantizationConfig config =
        QuantizationConfig.nf4().withDoubleQuant(true).withComputeType(FloatType.F32);
    Path base = qlora.resolve("base");
    if (stored) {
      base = folder.resolve("packed");
      new CheckpointQuantizer(config).quantize(qlora.resolve("base"), base);
    }
    int[] ids = {1, 5, 9, 2, 30, 7, 44, 3};
    Path merged = folder.resolve("merged");
    float[] expected;
    QuantizedFormat format = QuantizedFormat.of(config).merging(Merging.REQUANTIZE);
    try (CausalLm lm = CausalLm.load(base, LoadOptions.DEFAULT.withFormat(format));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      float[] bare = lm.logProbs(List.of(lm.sequence(ids)))[0];
      adapted.load("default", qlora.resolve("adapter"));
      adapted.merge("default");
      PackedExport.write(lm.model(), merged);
      expected = lm.logProbs(List.of(lm.sequence(ids)))[0];
      assertTrue(Math.abs(bare[0] - expected[0]) > 1e-3, "the adapter does something");
    }
    List<String> command = new ArrayList<>(List.of("logprobs", merged.toString()));
    for (int id : ids) {
      command.add(Integer.toString(id));
    }
    JsonNode found = new ObjectMapper().readTree(run(python, command.toArray(String[]::new)));
    assertEquals(expected.length, found.size());
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], found.get(i).asDouble(), 1e-5);
    }
    try (CausalLm lm = CausalLm.load(merged, LoadOptions.DEFAULT)) {
      assertArrayEquals(expected, lm.logProbs(List.of(lm.sequence(ids)))[0]);
    }
  }

  private static String python() {
    String python = System.getenv("PEFT4J_BNB_PYTHON");
    if (python == null) {
      System.out.println("skipped: PEFT4J_BNB_PYTHON names no Python with bitsandbytes");
    }
    Assumptions.assumeTrue(python != null, "PEFT4J_BNB_PYTHON is not set");
    return python;
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
