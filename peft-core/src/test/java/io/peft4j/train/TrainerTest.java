package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import io.peft4j.Golden;
import io.peft4j.model.Model;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.module.Parameter;
import io.peft4j.torch.Ops;
import io.peft4j.torch.Precision;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.StepReport;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a training run does when, and what its result depends on. */
class TrainerTest {

  private static Recorder record(TrainingArguments.Builder arguments, Path output)
      throws IOException {
    Recorder recorder = new Recorder();
    TinyTraining.run(arguments.build(), recorder, output);
    return recorder;
  }

  private static TrainingArguments.Builder plain() {
    return TinyTraining.arguments()
        .evalStrategy(When.NO)
        .saveStrategy(When.NO)
        .loadBestModelAtEnd(false);
  }

  @Test
  void listenersHearInOrder(@TempDir Path output) throws IOException {
    Recorder recorder =
        record(
            plain()
                .numTrainEpochs(1)
                .evalStrategy(When.EPOCH)
                .saveStrategy(When.STEPS)
                .saveSteps(3),
            output);
    assertEquals(
        List.of(
            "start 0/7",
            "step 1",
            "step 2",
            "step 3",
            "checkpoint 3",
            "step 4",
            "step 5",
            "step 6",
            "checkpoint 6",
            "step 7",
            "epoch 1",
            "evaluate 7",
            "checkpoint 7",
            "end 7"),
        recorder.heard());
  }

  @Test
  void strategiesSayWhen(@TempDir Path folder) throws IOException {
    Recorder none = record(plain(), folder.resolve("none"));
    assertEquals("", none.events("evaluate") + none.events("checkpoint"));
    assertEquals("1 2 3", none.events("epoch"));
    assertEquals(
        List.of("adapter_config.json", "adapter_model.safetensors"),
        TinyTraining.names(folder.resolve("none")));

    Recorder epochs =
        record(
            plain().evalStrategy(When.EPOCH).saveStrategy(When.EPOCH).numTrainEpochs(2.5),
            folder.resolve("epochs"));
    assertEquals("7 14 18", epochs.events("evaluate"));
    assertEquals("7 14 18", epochs.events("checkpoint"));
    assertEquals("1 2", epochs.events("epoch"));
    assertEquals(18, epochs.steps().get(0).totalSteps());

    Recorder steps =
        record(
            plain()
                .evalStrategy(When.STEPS)
                .evalSteps(4)
                .saveStrategy(When.STEPS)
                .saveSteps(5)
                .maxSteps(13),
            folder.resolve("steps"));
    assertEquals("4 8 12 13", steps.events("evaluate"));
    assertEquals("5 10 13", steps.events("checkpoint"));
    assertEquals(13.0 / 7, steps.steps().get(12).epoch(), 1e-12);
  }

  @Test
  void rateFollowsTheSchedule(@TempDir Path output) throws IOException {
    Recorder recorder =
        record(plain().warmupSteps(5).lrSchedulerType(Schedule.COSINE).learningRate(1e-3), output);
    for (StepReport step : recorder.steps()) {
      assertEquals(
          1e-3 * Schedule.COSINE.factor(step.step() - 1, 5, 21), step.learningRate(), 1e-15);
    }
    assertEquals(0, recorder.steps().get(0).learningRate());
  }

  @Test
  void learns(@TempDir Path output) throws IOException {
    Recorder recorder = record(plain().numTrainEpochs(30), output);
    double first =
        recorder.steps().subList(0, 7).stream()
            .mapToDouble(StepReport::loss)
            .average()
            .orElseThrow();
    double last =
        recorder.steps().subList(203, 210).stream()
            .mapToDouble(StepReport::loss)
            .average()
            .orElseThrow();
    System.out.printf(
        Locale.ROOT, "loss of the first epoch %.3f, of the thirtieth %.3f%n", first, last);
    assertTrue(last < 0.5 * first);
  }

  @Test
  void everyExampleOnceAnEpoch(@TempDir Path folder) throws IOException {
    for (boolean grouped : new boolean[] {false, true}) {
      List<int[]> batches = new ArrayList<>();
      try (TinyTraining run = TinyTraining.create()) {
        ClassificationSet data = run.examples(TinyTraining.EXAMPLES, 5);
        TrainingSet spy = new SpySet(data, batches);
        TrainingArguments arguments = plain().groupByLength(grouped).numTrainEpochs(2).build();
        run.trainer(arguments, spy, TinyTraining.SILENT, folder.resolve("run" + grouped))
            .train(false);
        // two more compare the saved adapter with the trained one
        assertEquals(28, batches.size());
        batches.subList(26, 28).clear();
        for (List<int[]> epoch : List.of(batches.subList(0, 13), batches.subList(13, 26))) {
          int[] seen = epoch.stream().flatMapToInt(Arrays::stream).sorted().toArray();
          assertArrayEquals(java.util.stream.IntStream.range(0, 26).toArray(), seen);
        }
        int padding =
            batches.stream()
                .mapToInt(b -> Math.abs(data.length(b[0]) - data.length(b[b.length - 1])))
                .sum();
        System.out.printf(
            Locale.ROOT, "grouped %s: %d tokens of padding in two epochs%n", grouped, padding);
        assertEquals(grouped, padding < 26 * 3);
      }
    }
  }

  /** Notes which examples are batched. */
  private record SpySet(ClassificationSet set, List<int[]> batches) implements TrainingSet {
    @Override
    public int size() {
      return set.size();
    }

    @Override
    public int length(int index) {
      return set.length(index);
    }

    @Override
    public int weight(int index) {
      return set.weight(index);
    }

    @Override
    public String fingerprint() {
      return set.fingerprint();
    }

    @Override
    public io.peft4j.model.batch.TokenBatch batch(Model model, int[] examples) {
      batches.add(examples);
      return set.batch(model, examples);
    }

    @Override
    public Loss loss(Model model, int[] examples) {
      return set.loss(model, examples);
    }
  }

  @Test
  void seedDecides(@TempDir Path folder) throws IOException {
    byte[] first = TinyTraining.run(plain().build(), folder.resolve("1"));
    assertArrayEquals(first, TinyTraining.run(plain().build(), folder.resolve("2")));
    byte[] other = TinyTraining.run(plain().seed(43).build(), folder.resolve("3"));
    assertFalse(Arrays.equals(first, other));
  }

  @Test
  void accumulationEqualsALargerBatch(@TempDir Path folder) throws IOException {
    // Without dropout, whose masks differ with the split.
    List<float[]> results = new ArrayList<>();
    for (int accumulation : new int[] {1, 2, 4}) {
      try (Model model =
              Model.load(
                  Golden.path("encoders/bert-no-dropout"),
                  io.peft4j.model.load.LoadOptions.DEFAULT);
          var adapted = new io.peft4j.adapter.AdaptedModel(model)) {
        adapted.add("a", TinyTraining.config().toBuilder().loraDropout(0).build(), 1);
        TrainingArguments arguments =
            plain()
                .perDeviceTrainBatchSize(4 / accumulation)
                .gradientAccumulationSteps(accumulation)
                .maxSteps(5)
                .adamEpsilon(1e-3)
                .build();
        Path output = folder.resolve("run" + accumulation);
        new Trainer(
                adapted,
                "a",
                arguments,
                TinyTraining.examples(model, 24, 5),
                null,
                TinyTraining.SILENT,
                output,
                Map.of())
            .train(false);
        List<Float> numbers = new ArrayList<>();
        new TreeMap<>(adapted.adapter("a").tensors())
            .values()
            .forEach(
                tensor -> {
                  for (float value : tensor.toFloatArray()) {
                    numbers.add(value);
                  }
                });
        float[] flat = new float[numbers.size()];
        for (int i = 0; i < flat.length; i++) {
          flat[i] = numbers.get(i);
        }
        results.add(flat);
      }
    }
    assertArrayEquals(results.get(0), results.get(1), 2e-5f);
    assertArrayEquals(results.get(0), results.get(2), 2e-5f);
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void threadsDoNotDisturbEachOther(Precision precision, @TempDir Path folder) throws Exception {
    byte[][] alone = new byte[2][];
    for (int i = 0; i < 2; i++) {
      alone[i] = train(precision, i, folder.resolve("alone" + i));
    }
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try {
      List<Callable<byte[]>> runs = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        int number = i;
        runs.add(() -> train(precision, number % 2, folder.resolve("together" + number)));
      }
      List<Future<byte[]>> together = threads.invokeAll(runs);
      for (int i = 0; i < 4; i++) {
        assertArrayEquals(alone[i % 2], together.get(i).get(), "run " + i);
      }
    } finally {
      threads.shutdown();
    }
    assertFalse(Arrays.equals(alone[0], alone[1]));
  }

  private static byte[] train(Precision precision, int seed, Path output) throws IOException {
    try (TinyTraining run = new TinyTraining(precision)) {
      run.trainer(plain().seed(seed).build(), TinyTraining.SILENT, output).train(false);
      return TinyTraining.weights(output);
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void baseStaysAsItIs(Precision precision, @TempDir Path output) throws IOException {
    byte[] file = Files.readAllBytes(Golden.path("encoders/bert/model.safetensors"));
    try (TinyTraining run = new TinyTraining(precision)) {
      Map<String, Long> before = checksums(run.model());
      Map<String, float[]> adapterBefore = new TreeMap<>();
      run.adapter().tensors().forEach((name, x) -> adapterBefore.put(name, x.toFloatArray()));
      run.trainer(TinyTraining.arguments().learningRate(0.1).build(), TinyTraining.SILENT, output)
          .train(false);
      assertEquals(before, checksums(run.model()));
      assertEquals(41, before.size(), "parameters of the base");
      for (Parameter parameter : run.model().modules().parameters()) {
        assertFalse(parameter.base().hasGradient(), parameter.name());
      }
      // What was trained did change: all of it, saved head included.
      run.adapter()
          .tensors()
          .forEach(
              (name, x) ->
                  assertFalse(Arrays.equals(adapterBefore.get(name), x.toFloatArray()), name));
      assertTrue(
          run.adapter().tensors().keySet().stream()
              .allMatch(name -> name.contains("lora_") || name.startsWith("classifier.")));
    }
    assertArrayEquals(file, Files.readAllBytes(Golden.path("encoders/bert/model.safetensors")));
  }

  private static Map<String, Long> checksums(Model model) {
    Map<String, Long> checksums = new TreeMap<>();
    for (Parameter parameter : model.modules().parameters()) {
      NDArray base = parameter.base();
      try (NDArray wide = Ops.isBfloat16(base) ? Ops.toFloat32(base) : base.duplicate()) {
        CRC32C checksum = new CRC32C();
        ByteBuffer bytes = wide.toByteBuffer();
        checksum.update(bytes);
        checksums.put(parameter.name(), checksum.getValue());
      }
    }
    return checksums;
  }
}
