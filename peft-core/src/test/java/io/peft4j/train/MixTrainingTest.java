package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.compose.MixPresets;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every method, and several together, trains; killed and resumed it ends with the same bytes. */
class MixTrainingTest {

  @TempDir Path temp;

  private static final Map<String, Map<String, AdapterConfig>> MIXES = mixes();

  private static Map<String, Map<String, AdapterConfig>> mixes() {
    Map<String, Map<String, AdapterConfig>> mixes = new LinkedHashMap<>();
    for (String type :
        List.of("IA3", "VERA", "LOHA", "LOKR", "LN_TUNING", "BITFIT", "BOTTLENECK")) {
      mixes.put(type, Map.of("a", MethodConfig.of(type).with("task_type", "SEQ_CLS")));
    }
    for (String type : List.of("PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING")) {
      MethodConfig config =
          MethodConfig.of(type).with("task_type", "SEQ_CLS").with("num_virtual_tokens", 4);
      mixes.put(type, Map.of("a", config));
    }
    mixes.put(
        "ADALORA",
        Map.of(
            "a",
            MethodConfig.of("ADALORA")
                .with("task_type", "SEQ_CLS")
                .with("init_r", 4)
                .with("target_r", 2)
                .with("lora_dropout", 0.1)
                .with("tinit", 2)
                .with("tfinal", 6)));
    mixes.put("mam", MixPresets.mam("SEQ_CLS"));
    mixes.put("unipelt", MixPresets.unipelt("SEQ_CLS"));
    Map<String, AdapterConfig> fused = new LinkedHashMap<>();
    fused.put("a", MethodConfig.of("BOTTLENECK"));
    fused.put("b", MethodConfig.of("BOTTLENECK").with("mh_adapter", true));
    fused.put(
        "a,b",
        MethodConfig.of("FUSION")
            .with("adapter_names", List.of("a", "b"))
            .with("task_type", "SEQ_CLS"));
    mixes.put("fusion", fused);
    mixes.put("all", all());
    return mixes;
  }

  private static Map<String, AdapterConfig> all() {
    Map<String, AdapterConfig> parts = new LinkedHashMap<>();
    parts.put("lora", LoraConfig.builder().r(2).targetModules("query").loraDropout(0.1).build());
    parts.put("ia3", MethodConfig.of("IA3"));
    parts.put("ada", MethodConfig.of("ADALORA").with("init_r", 3).with("target_r", 1));
    parts.put("norms", MethodConfig.of("LN_TUNING"));
    parts.put("prompt", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 2));
    parts.put("prefix", MethodConfig.of("PREFIX_TUNING").with("num_virtual_tokens", 2));
    parts.put(
        "bottleneck",
        MethodConfig.of("BOTTLENECK")
            .with("dropout", 0.1)
            .with("adapter_drop", 1)
            .with("task_type", "SEQ_CLS"));
    return parts;
  }

  static Stream<String> names() {
    return MIXES.keySet().stream();
  }

  /** Stops the run, as a kill would, after some steps. */
  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private static TrainingListener killingAt(int step) {
    return new TrainingListener() {
      @Override
      public void onStep(StepReport report) {
        if (report.step() == step) {
          throw new Killed();
        }
      }
    };
  }

  private static Model model() throws IOException {
    return Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
  }

  private static void train(String mix, TrainingListener listener, Path output, boolean recompute)
      throws IOException {
    try (Model model = model();
        AdaptedModel adapted = new AdaptedModel(model)) {
      AdapterMix trained = AdapterMix.add(adapted, MIXES.get(mix), 1);
      TrainingArguments arguments =
          TinyTraining.arguments()
              .gradientCheckpointing(
                  recompute
                      ? TrainingArguments.GradientCheckpointing.ON
                      : TrainingArguments.GradientCheckpointing.OFF)
              .build();
      new Trainer(
              adapted,
              trained,
              arguments,
              TinyTraining.examples(model, TinyTraining.EXAMPLES, 5),
              TinyTraining.examples(model, 20, 6),
              listener,
              output,
              Map.of())
          .train(true);
    }
  }

  /** {@return the files of the adapters, by path} */
  private static Map<String, byte[]> files(Path folder) throws IOException {
    Map<String, byte[]> files = new TreeMap<>();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        String name = folder.relativize(file).toString();
        if (!name.startsWith("checkpoint-")) {
          files.put(name, Files.readAllBytes(file));
        }
      }
    }
    return files;
  }

  @ParameterizedTest
  @MethodSource("names")
  void killedAndResumedTheBytesAreTheSame(String mix) throws IOException {
    Path straight = temp.resolve("straight");
    Path killed = temp.resolve("killed");
    double[] losses = new double[2];
    train(
        mix,
        new TrainingListener() {
          @Override
          public void onStep(StepReport report) {
            losses[report.step() <= 7 ? 0 : report.step() > 14 ? 1 : 0] +=
                report.step() <= 7 || report.step() > 14 ? report.loss() : 0;
          }
        },
        straight,
        false);
    System.out.printf(
        Locale.ROOT, "%s: loss of 7 steps from %.2f to %.2f%n", mix, losses[0], losses[1]);
    assertThrows(Killed.class, () -> train(mix, killingAt(11), killed, false));
    train(mix, TinyTraining.SILENT, killed, false);
    Map<String, byte[]> expected = files(straight);
    Map<String, byte[]> found = files(killed);
    assertEquals(expected.keySet(), found.keySet());
    expected.forEach((file, bytes) -> assertArrayEquals(bytes, found.get(file), file));
  }

  /** A training of all methods in a process of its own, to be killed. Argument: output folder. */
  static final class InProcess {
    private InProcess() {}

    public static void main(String[] arguments) throws IOException {
      TrainingListener saying =
          new TrainingListener() {
            @Override
            public void onStep(StepReport report) {
              System.out.println("step " + report.step());
            }
          };
      train("all", saying, Path.of(arguments[0]), false);
    }
  }

  /**
   * {@return how many steps it did before it ended, or was killed when it had done {@code kill}}
   */
  private static int fork(Path output, int kill) throws Exception {
    Process process = Fork.start(InProcess.class, List.of(), output);
    int steps = 0;
    try (BufferedReader said = process.inputReader()) {
      for (String line = said.readLine(); line != null; line = said.readLine()) {
        steps += line.startsWith("step ") ? 1 : 0;
        if (steps == kill) {
          process.destroyForcibly();
          assertEquals(128 + 9, process.waitFor(), "killed by SIGKILL");
          return steps;
        }
      }
    }
    assertEquals(0, process.waitFor());
    return steps;
  }

  @Test
  void aKilledProcessOfAMixResumes() throws Exception {
    Path straight = temp.resolve("straight");
    Path killed = temp.resolve("killed");
    train("all", TinyTraining.SILENT, straight, false);
    fork(killed, 5);
    fork(killed, 6);
    int last = fork(killed, Integer.MAX_VALUE);
    assertTrue(last < 21, "resumed from a checkpoint, not from the start: " + last);
    Map<String, byte[]> expected = files(straight);
    Map<String, byte[]> found = files(killed);
    assertEquals(expected.keySet(), found.keySet());
    expected.forEach((file, bytes) -> assertArrayEquals(bytes, found.get(file), file));
  }

  @ParameterizedTest
  @MethodSource("names")
  void loadedAgainTheOutputsAreTheSame(String mix) throws IOException {
    Path output = temp.resolve("out");
    float[][] expected;
    try (Model model = model();
        AdaptedModel adapted = new AdaptedModel(model)) {
      AdapterMix trained = AdapterMix.add(adapted, MIXES.get(mix), 1);
      new Trainer(
              adapted,
              trained,
              TinyTraining.arguments().maxSteps(12).loadBestModelAtEnd(false).build(),
              TinyTraining.examples(model, TinyTraining.EXAMPLES, 5),
              TinyTraining.examples(model, 20, 6),
              TinyTraining.SILENT,
              output,
              Map.of())
          .train(false);
      expected = logits(model);
    }
    try (Model model = model();
        AdaptedModel adapted = new AdaptedModel(model)) {
      float[][] bare = logits(model);
      assertTrue(Golden.distance(expected, bare) > 1e-3, "training should show");
      AdapterMix.load(adapted, output);
      double distance = Golden.distance(expected, logits(model));
      assertTrue(distance < 1e-5, "loaded: " + distance);
      adapted.activate();
      assertEquals(0, Golden.distance(bare, logits(model)), "the base again");
    }
  }

  private static float[][] logits(Model model) {
    List<TokenSequence> sequences =
        List.of(
            model.sequence(new int[] {5, 9, 13, 4, 77}, null),
            model.sequence(new int[] {44, 9, 8}, null),
            model.sequence(new int[] {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, null));
    try (TokenBatch batch = model.batch(sequences)) {
      return model.logits(batch);
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void recomputedTheFilesAreTheSame(String mix) throws IOException {
    train(mix, TinyTraining.SILENT, temp.resolve("kept"), false);
    train(mix, TinyTraining.SILENT, temp.resolve("again"), true);
    Map<String, byte[]> expected = files(temp.resolve("kept"));
    Map<String, byte[]> found = files(temp.resolve("again"));
    assertEquals(expected.keySet(), found.keySet());
    expected.forEach((file, bytes) -> assertArrayEquals(bytes, found.get(file), file));
  }

  @Test
  void twoThatTrainTheSameHeadAreRefused() throws IOException {
    try (Model model = model();
        AdaptedModel adapted = new AdaptedModel(model)) {
      MethodConfig config = MethodConfig.of("IA3").with("task_type", "SEQ_CLS");
      Map<String, AdapterConfig> parts = new LinkedHashMap<>();
      parts.put("a", config);
      parts.put("b", config);
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> AdapterMix.add(adapted, parts, 1));
      assertTrue(e.getMessage().contains("classifier.weight"), e.getMessage());
      assertTrue(adapted.adapters().isEmpty());
    }
  }
}
