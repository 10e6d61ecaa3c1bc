package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.IntraOp;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two halves of a batch at a time: same sums as one after the other, same bytes each time. */
class WorkersTest {

  @TempDir private Path folder;

  private static TrainingArguments.Builder arguments() {
    return TinyTraining.arguments().perDeviceTrainBatchSize(5).gradientAccumulationSteps(1);
  }

  @Test
  void halvesAreOfLikeLengthAndHoldAllOnce() {
    int[] lengths = {3, 50, 7, 20, 20, 4, 9, 13};
    List<int[]> halves =
        Workers.halves(IntStream.range(0, lengths.length).toArray(), i -> lengths[i]);
    int[] all = halves.stream().flatMapToInt(Arrays::stream).sorted().toArray();
    assertArrayEquals(IntStream.range(0, lengths.length).toArray(), all);
    int first = Arrays.stream(halves.get(0)).map(i -> lengths[i]).sum();
    int second = Arrays.stream(halves.get(1)).map(i -> lengths[i]).sum();
    assertTrue(Math.abs(first - second) <= 4, first + " and " + second);
    assertEquals(1, Workers.halves(new int[] {2}, i -> lengths[i]).size());
  }

  @Test
  void partsRunAtTheSameTimeAndThreadsAreGivenBack() {
    int before = IntraOp.threads();
    CountDownLatch both = new CountDownLatch(2);
    try (Workers workers = new Workers(2, () -> {})) {
      double sum =
          workers.sum(
              new int[] {1, 2, 3},
              i -> 1,
              7,
              (examples, key) -> {
                both.countDown();
                await(both);
                return Arrays.stream(examples).sum();
              });
      assertEquals(6, sum);
    }
    assertEquals(before, IntraOp.threads());
  }

  private static void await(CountDownLatch latch) {
    try {
      assertTrue(latch.await(20, TimeUnit.SECONDS), "the parts do not run side by side");
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aFailureIsThrownWhenBothHaveEnded() {
    AtomicInteger ended = new AtomicInteger();
    IllegalArgumentException failure = new IllegalArgumentException("bad half");
    try (Workers workers = new Workers(2, () -> {})) {
      Workers.Part part =
          (examples, key) -> {
            if (examples[0] == 0) {
              throw failure;
            }
            try {
              Thread.sleep(200);
            } catch (InterruptedException e) {
              throw new IllegalStateException(e);
            }
            ended.incrementAndGet();
            return 0;
          };
      assertSame(
          failure,
          assertThrows(
              IllegalArgumentException.class,
              () -> workers.sum(new int[] {0, 1}, i -> 1, 0, part)));
      assertEquals(1, ended.get());
    }
  }

  @Test
  void twoWorkersLearnWhatOneLearns() throws Exception {
    // Without dropout, whose masks depend on the halves.
    List<Double> one = losses(1);
    List<Double> two = losses(2);
    assertEquals(one.size(), two.size());
    for (int i = 0; i < one.size(); i++) {
      assertEquals(one.get(i), two.get(i), 2e-6, "step " + (i + 1));
    }
    assertNotEquals(one.get(0), one.get(one.size() - 1), 1e-3);
  }

  private Path base(String name) throws Exception {
    Path base = RandomBert.write(folder.resolve(name), 2, 64);
    Path config = base.resolve("config.json");
    Files.writeString(config, Files.readString(config).replace("0.1", "0.0"));
    return base;
  }

  private static LoadOptions options() {
    return LoadOptions.DEFAULT
        .withHead(Task.SINGLE_LABEL, LabelNames.of(List.of("a", "b", "c")))
        .withSeed(1);
  }

  @Test
  void aStreamedBaseIsRunByOne() throws Exception {
    try (Model model = Model.load(base("streamed"), options().withStreaming(true));
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.add("a", LoraConfig.builder().r(4).targetModules("query").build(), 3);
      for (int workers : new int[] {0, 2}) {
        TrainingArguments arguments =
            TrainingArguments.builder().maxSteps(2).workers(workers).build();
        Trainer trainer =
            new Trainer(
                adapted,
                "a",
                arguments,
                TinyTraining.examples(model, 8, 8),
                null,
                TinyTraining.SILENT,
                folder.resolve("streamed-out"),
                Map.of());
        if (workers == 0) {
          assertEquals(2, trainer.train(false).step());
        } else {
          assertThrows(IllegalArgumentException.class, () -> trainer.train(false));
        }
      }
    }
  }

  private List<Double> losses(int workers) throws Exception {
    List<Double> losses = new ArrayList<>();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void onStep(StepReport step) {
            losses.add(step.loss());
          }
        };
    TrainingArguments arguments =
        arguments()
            .workers(workers)
            .saveStrategy(When.NO)
            .evalStrategy(When.NO)
            .maxSteps(15)
            .loadBestModelAtEnd(false)
            .build();
    Path base = base("base" + workers);
    try (Model model = Model.load(base, options());
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.add("a", LoraConfig.builder().r(4).targetModules("query", "value").build(), 3);
      new Trainer(
              adapted,
              "a",
              arguments,
              TinyTraining.examples(model, 40, 8),
              null,
              listener,
              folder.resolve("out" + workers),
              Map.of())
          .train(false);
    }
    return losses;
  }

  @Test
  void aRunGivesTheSameBytesEachTimeAndResumed() throws Exception {
    byte[] expected = TinyTraining.run(arguments().build(), folder.resolve("a"));
    for (int i = 0; i < 3; i++) {
      assertArrayEquals(expected, TinyTraining.run(arguments().build(), folder.resolve("b" + i)));
    }
    Path output = folder.resolve("c");
    try (TinyTraining training = TinyTraining.create()) {
      TrainingListener stop =
          new TrainingListener() {
            @Override
            public void onStep(StepReport step) {
              if (step.step() == 8) {
                throw new IllegalStateException("killed");
              }
            }
          };
      Trainer trainer = training.trainer(arguments().build(), stop, output);
      assertThrows(IllegalStateException.class, () -> trainer.train(false));
    }
    try (TinyTraining training = TinyTraining.create()) {
      training.trainer(arguments().build(), TinyTraining.SILENT, output).train(true);
    }
    assertArrayEquals(expected, TinyTraining.weights(output));
  }

  @Test
  void oneIsUsedWhereTheOrderOfSumsWouldMatter() {
    assertThrows(
        IllegalArgumentException.class,
        () -> arguments().gradientAccumulationSteps(2).workers(2).build());
    assertThrows(IllegalArgumentException.class, () -> arguments().workers(3).build());
  }
}
