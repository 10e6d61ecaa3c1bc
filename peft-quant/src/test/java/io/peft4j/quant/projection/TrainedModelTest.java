package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What starts from the weight win back of what quantization costs a really trained model, where one
 * is at hand: -Dpeft4j.shared or PEFT4J_SHARED. The texts are the dense model's own samples.
 */
class TrainedModelTest {

  private static final int BLOCK = 64;

  private final Path folder =
      Path.of(
              Optional.ofNullable(System.getProperty("peft4j.shared"))
                  .or(() -> Optional.ofNullable(System.getenv("PEFT4J_SHARED")))
                  .orElse("../../shared"))
          .resolve("models/stories260k");

  @BeforeEach
  void needsTheModel() {
    if (!Files.isDirectory(folder)) {
      System.out.println("skipped: no " + folder + "; -Dpeft4j.shared names its parent's parent");
    }
    Assumptions.assumeTrue(Files.isDirectory(folder));
  }

  private static LoadOptions packed(QuantType type) {
    return LoadOptions.DEFAULT.withFormat(
        QuantizedFormat.of(
            QuantizationConfig.of(type).withBlockSize(BLOCK).withComputeType(FloatType.F32)));
  }

  private List<int[]> samples(CausalLm lm) {
    List<int[]> prompts = Collections.nCopies(24, new int[] {1});
    GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(160).sampling(1, 0, 1, 0);
    List<int[]> samples = new ArrayList<>();
    for (Generated text : new Generator(lm).generate(prompts, config, (p, token, t) -> {})) {
      int[] ids = new int[text.tokens().length + 1];
      ids[0] = 1;
      System.arraycopy(text.tokens(), 0, ids, 1, text.tokens().length);
      samples.add(ids);
    }
    return samples;
  }

  private static float[][] logProbs(CausalLm lm, List<int[]> samples) {
    List<TokenSequence> sequences = samples.stream().map(lm::sequence).toList();
    return lm.logProbs(sequences);
  }

  /** Mean absolute difference, which peft's tests compare. */
  private static double distance(float[][] a, float[][] b) {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < a[i].length; j++) {
        sum += Math.abs(a[i][j] - b[i][j]);
        count++;
      }
    }
    return sum / count;
  }

  @Test
  void startsFromTheWeightAreNearerToTheDenseModel() throws IOException {
    List<int[]> samples;
    float[][] dense;
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      samples = samples(lm).subList(0, 8);
      dense = logProbs(lm, samples);
    }
    double plain = distance(dense, LoraInit.DEFAULT, samples);
    double pissa = distance(dense, LoraInit.PISSA, samples);
    double olora = distance(dense, LoraInit.OLORA, samples);
    double loftq = distance(dense, LoraInit.LOFTQ, samples);
    System.out.printf(
        Locale.ROOT,
        "stories260k, nf4: plain %.4f, PiSSA %.4f (%.2fx), OLoRA %.4f (%.2fx), LoftQ %.4f (%.2fx)%n",
        plain,
        pissa,
        plain / pissa,
        olora,
        plain / olora,
        loftq,
        plain / loftq);
    assertTrue(pissa < plain / 1.03);
    assertTrue(olora < plain / 1.2);
    assertTrue(loftq < plain / 1.03);
  }

  private double distance(float[][] dense, LoraInit init, List<int[]> samples) throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(32)
            .loraAlpha(32)
            .targetModules(ModuleSelector.allLinear())
            .init(init)
            .taskType("CAUSAL_LM")
            .build();
    try (CausalLm lm = CausalLm.load(folder, packed(QuantType.NF4));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("default", config, 0);
      return distance(dense, logProbs(lm, samples));
    }
  }
}
