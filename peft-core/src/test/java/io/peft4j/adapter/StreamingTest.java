package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Decoding;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.TrainingOps;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Weights that are mapped while their layer runs give the bits that weights in memory give. */
class StreamingTest {

  private static final LoadOptions STREAMED = LoadOptions.DEFAULT.withStreaming(true);
  private static final int[] IDS = {5, 9, 13, 4, 77, 50, 3, 21};

  static Stream<String> languageModels() {
    return Golden.folders("decoders", "").stream()
        .filter(name -> !name.startsWith("cls-") && !name.startsWith("lora-"));
  }

  private record Found(double loss, Map<String, float[]> gradients, float[][] logProbs) {
    void assertSame(Found other) {
      assertEquals(loss, other.loss);
      assertEquals(gradients.keySet(), other.gradients.keySet());
      gradients.forEach((key, value) -> assertArrayEquals(value, other.gradients.get(key), key));
      assertTrue(Arrays.deepEquals(logProbs, other.logProbs));
    }
  }

  private static Found run(String name, LoadOptions options, LoraConfig config) throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), options);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", config, 3);
      double loss;
      try (TokenBatch batch = lm.model().batch(List.of(lm.sequence(IDS), lm.sequence(IDS)))) {
        lm.model().forwardBackward(batch, null, 1, 5, true);
        loss = lm.model().forwardBackward(batch, null, 1, 6, true);
      }
      return new Found(loss, Gradients.of(adapter), lm.logProbs(List.of(lm.sequence(IDS))));
    }
  }

  @ParameterizedTest
  @MethodSource("languageModels")
  void gradientsAreThoseOfAModelInMemory(String name) throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .targetModules(ModuleSelector.allLinear())
            .loraDropout(0.25)
            .init(LoraInit.RANDOM)
            .build();
    run(name, LoadOptions.DEFAULT, config).assertSame(run(name, STREAMED, config));
  }

  @ParameterizedTest
  @ValueSource(strings = {"dora", "pissa"})
  void methodsThatReadTheBaseWork(String method) throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .targetModules("q_proj", "lm_head")
            .useDora(method.equals("dora"))
            .init(method.equals("dora") ? LoraInit.RANDOM : LoraInit.PISSA)
            .build();
    run("llama3", LoadOptions.DEFAULT, config).assertSame(run("llama3", STREAMED, config));
  }

  @Test
  void encodersToo() throws IOException {
    LoraConfig config = LoraConfig.builder().r(2).init(LoraInit.RANDOM).build();
    double[] losses = new double[2];
    Map<?, ?>[] found = new Map<?, ?>[2];
    for (int i = 0; i < 2; i++) {
      LoadOptions options = i == 0 ? LoadOptions.DEFAULT : STREAMED;
      try (Model model = Model.load(Golden.path("encoders/roberta"), options);
          AdaptedModel adapted = new AdaptedModel(model)) {
        Adapter adapter = adapted.add("a", config, 3);
        Loss loss =
            logits -> TrainingOps.crossEntropy(logits, logits.getManager().create(new long[] {1}));
        try (TokenBatch batch = model.batch(List.of(model.sequence(IDS, null)))) {
          losses[i] = model.forwardBackward(batch, loss, 1, 7, true);
        }
        found[i] = Gradients.of(adapter);
      }
    }
    assertEquals(losses[0], losses[1]);
    found[0].forEach(
        (key, value) -> assertArrayEquals((float[]) value, (float[]) found[1].get(key)));
  }

  @Test
  void generationMergingAndExportWork(@TempDir Path folder) throws IOException {
    LoraConfig config =
        LoraConfig.builder().r(2).targetModules("c_attn").init(LoraInit.RANDOM).build();
    float[][][] logits = new float[2][][];
    for (int i = 0; i < 2; i++) {
      LoadOptions options = i == 0 ? LoadOptions.DEFAULT : STREAMED;
      Path target = folder.resolve(Integer.toString(i));
      try (CausalLm lm = CausalLm.load(Golden.path("decoders/gpt2"), options);
          AdaptedModel adapted = new AdaptedModel(lm.model())) {
        adapted.add("a", config, 3);
        adapted.merge("a");
        try (Decoding decoding = lm.start(List.of(IDS))) {
          decoding.append(new int[] {7});
          logits[i] = decoding.logits();
        }
        ModelExport.write(lm.model(), target);
      }
    }
    assertTrue(Arrays.deepEquals(logits[0], logits[1]));
    assertEquals(
        -1,
        Files.mismatch(
            folder.resolve("0").resolve("model.safetensors"),
            folder.resolve("1").resolve("model.safetensors")));
  }

  @Test
  void aFileThatChangesIsNoticed(@TempDir Path folder) throws IOException {
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(Golden.path("decoders/llama").resolve(file), folder.resolve(file));
    }
    try (CausalLm lm = CausalLm.load(folder, STREAMED)) {
      lm.logProbs(List.of(lm.sequence(IDS)));
      Files.copy(
          Golden.path("decoders/llama3").resolve("model.safetensors"), folder.resolve("other"));
      Files.delete(folder.resolve("model.safetensors"));
      Files.move(folder.resolve("other"), folder.resolve("model.safetensors"));
      UncheckedIOException e =
          assertThrows(UncheckedIOException.class, () -> lm.logProbs(List.of(lm.sequence(IDS))));
      assertTrue(e.getMessage().contains("changed"), e.getMessage());
    }
  }
}
