package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.Shared;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.compose.MixPresets;
import io.peft4j.adapter.library.BottleneckPresets;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every method teaches a really pretrained language model, with the same bytes whether layers are
 * recomputed or kept, and is the same when loaded again. Where it is at hand: -Dpeft4j.shared or
 * PEFT4J_SHARED.
 */
class CausalMethodsTest {

  private static final int STEPS = 24;

  @TempDir Path temp;

  private record Case(double rate, Map<String, AdapterConfig> parts) {}

  private static final Map<String, Case> CASES = cases();

  private static Map<String, Case> cases() {
    Map<String, Case> cases = new LinkedHashMap<>();
    LoraConfig lora =
        LoraConfig.builder().r(8).targetModules("q_proj", "v_proj", "down_proj").build();
    one(cases, "lora", 5e-3, lora);
    one(cases, "dora", 5e-3, lora.toBuilder().useDora(true).build());
    one(
        cases,
        "adalora",
        5e-3,
        MethodConfig.of("ADALORA").with("tinit", 2).with("tfinal", 6).with("init_r", 8));
    one(cases, "ia3", 2e-2, MethodConfig.of("IA3"));
    one(cases, "vera", 5e-2, MethodConfig.of("VERA").with("r", 64));
    one(cases, "loha", 5e-3, MethodConfig.of("LOHA"));
    one(cases, "lokr", 5e-3, MethodConfig.of("LOKR"));
    one(cases, "ln-tuning", 1e-2, MethodConfig.of("LN_TUNING"));
    MethodConfig prefix = MethodConfig.of("PREFIX_TUNING").with("num_virtual_tokens", 6);
    one(cases, "prefix", 5e-2, prefix.with("init_weights", "zero"));
    one(cases, "prefix-mlp", 5e-3, prefix.with("prefix_projection", true));
    one(cases, "prompt", 5e-2, MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 6));
    one(cases, "p-tuning", 5e-3, MethodConfig.of("P_TUNING").with("num_virtual_tokens", 6));
    one(cases, "pfeiffer", 5e-3, BottleneckPresets.named("pfeiffer").with("reduction_factor", 4));
    one(cases, "houlsby", 5e-3, BottleneckPresets.named("houlsby").with("reduction_factor", 4));
    one(cases, "parallel", 5e-3, BottleneckPresets.named("parallel"));
    cases.put("mam", new Case(2e-3, MixPresets.mam("CAUSAL_LM")));
    Map<String, AdapterConfig> fused = new LinkedHashMap<>();
    fused.put("a", BottleneckPresets.named("pfeiffer").with("name", "a"));
    fused.put("b", BottleneckPresets.named("pfeiffer").with("name", "b"));
    fused.put("a,b", MethodConfig.of("FUSION").with("adapter_names", List.of("a", "b")));
    cases.put("fusion", new Case(5e-3, fused));
    return cases;
  }

  private static void one(Map<String, Case> all, String name, double rate, AdapterConfig config) {
    all.put(name, new Case(rate, Map.of("a", config)));
  }

  static Stream<String> names() {
    return CASES.keySet().stream();
  }

  /** 16 pieces of plays, which the model knows only stories of. */
  private static List<TokenSequence> examples(CausalLm lm, Path folder) throws IOException {
    String text = Files.readString(Shared.path("data/text/tinyshakespeare.txt"));
    List<TokenSequence> examples = new ArrayList<>();
    try (CausalTokenizer codec = CausalTokenizer.load(folder, 512)) {
      for (int i = 0; i < 16; i++) {
        int[] ids = codec.encode(text.substring(i * 150, (i + 1) * 150 - 10 * (i % 4)));
        examples.add(lm.model().sequence(ids, null).withLabels(ids));
      }
    }
    return examples;
  }

  /** {@return the loss of each step} */
  private static double[] train(Case test, Path output, boolean recompute) throws IOException {
    Path folder = Shared.path("models/stories260k");
    double[] losses = new double[STEPS];
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      AdapterMix mix = AdapterMix.add(adapted, test.parts, 1);
      TrainingArguments arguments =
          TrainingArguments.builder()
              .maxSteps(STEPS)
              .perDeviceTrainBatchSize(4)
              .learningRate(test.rate)
              .workers(1)
              .gradientCheckpointing(
                  recompute
                      ? TrainingArguments.GradientCheckpointing.ON
                      : TrainingArguments.GradientCheckpointing.OFF)
              .build();
      TrainingListener listener =
          new TrainingListener() {
            @Override
            public void onStep(StepReport report) {
              losses[report.step() - 1] = report.loss();
            }
          };
      CausalSet set = new CausalSet(examples(lm, folder));
      new Trainer(adapted, mix, arguments, set, null, listener, output, Map.of()).train(false);
      float[][] trained = lm.logProbs(examples(lm, folder));
      List<String> names = new ArrayList<>(mix.adapters().keySet());
      Collections.reverse(names); // a fusion before what it uses
      names.forEach(adapted::delete);
      float[][] bare = lm.logProbs(examples(lm, folder));
      AdapterMix.load(adapted, output);
      float[][] loaded = lm.logProbs(examples(lm, folder));
      for (int i = 0; i < trained.length; i++) {
        assertArrayEquals(trained[i], loaded[i], 2e-4f);
      }
      assertTrue(Golden.distance(bare, trained) > 0.05, "training should show");
    }
    return losses;
  }

  @ParameterizedTest
  @MethodSource("names")
  void learnsRecomputedOrNotAndIsTheSameWhenLoaded(String name) throws IOException {
    Case test = CASES.get(name);
    double[] losses = train(test, temp.resolve("kept"), false);
    double first = Arrays.stream(losses, 0, 4).average().orElseThrow();
    double last = Arrays.stream(losses, STEPS - 4, STEPS).average().orElseThrow();
    System.out.printf(Locale.ROOT, "%s: loss from %.3f to %.3f%n", name, first, last);
    // New bottlenecks give next to nothing that a fusion of them could choose from.
    double least = name.equals("fusion") ? 1 : 0.98;
    assertTrue(last < least * first, name + " learns: from " + first + " to " + last);
    assertArrayEquals(losses, train(test, temp.resolve("again"), true), 1e-6, "losses");
    try (Stream<Path> all = Files.walk(temp.resolve("kept"))) {
      List<Path> files = all.filter(path -> path.toString().endsWith(".safetensors")).toList();
      assertFalse(files.isEmpty());
      for (Path file : files) {
        Path again = temp.resolve("again").resolve(temp.resolve("kept").relativize(file));
        assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(again), file.toString());
      }
    }
  }
}
