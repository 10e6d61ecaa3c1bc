package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import io.peft4j.io.OutputLock;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Loss;
import io.peft4j.train.TrainingArguments.NonFinite;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What goes wrong outside the arithmetic, and what goes wrong in it. */
class TrainerFaultsTest {

  private static TrainingArguments everyStep() {
    return TinyTraining.arguments().saveSteps(1).loadBestModelAtEnd(false).build();
  }

  /** Trains until writing fails; what was written before lets the run be finished elsewhere. */
  private static void fillsUp(Path output, Path elsewhere) throws IOException {
    byte[] expected = TinyTraining.run(everyStep(), elsewhere.resolve("whole"));
    List<Integer> saved = new ArrayList<>();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void onCheckpoint(Path folder, int step) {
            saved.add(step);
          }
        };
    IOException e;
    try (TinyTraining run = TinyTraining.create()) {
      Trainer trainer = run.trainer(everyStep(), listener, output);
      e = assertThrows(IOException.class, () -> trainer.train(false));
    }
    assertFalse(saved.isEmpty(), e.toString());
    int last = saved.get(saved.size() - 1);
    System.out.printf(Locale.ROOT, "after %d checkpoints: %s%n", saved.size(), e.getMessage());
    assertTrue(last >= 1 && last < 21, "last checkpoint at " + last);
    String folder = output.resolve("checkpoint-" + (last + 1)).toString();
    assertTrue(e.getMessage().startsWith("cannot write checkpoint " + folder + ": "), e.toString());
    assertTrue(e.getMessage().matches("(?i).*(space|full).*"), e.toString());
    List<String> names = new ArrayList<>();
    saved.forEach(step -> names.add("checkpoint-" + step));
    assertEquals(Set.copyOf(names), Set.copyOf(TinyTraining.names(output)), "nothing half-written");

    Path resumed = elsewhere.resolve("resumed");
    copy(output.resolve("checkpoint-" + last), resumed.resolve("checkpoint-" + last));
    try (TinyTraining run = TinyTraining.create()) {
      int[] steps = {0};
      TrainingListener counter =
          new TrainingListener() {
            @Override
            public void onStep(StepReport step) {
              steps[0]++;
            }
          };
      run.trainer(everyStep(), counter, resumed).train(true);
      assertEquals(21 - last, steps[0], "steps after the last checkpoint");
    }
    assertArrayEquals(expected, TinyTraining.weights(resumed));
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName().toString()));
      }
    }
  }

  @Test
  void diskOfMemoryIsFull(@TempDir Path elsewhere) throws IOException {
    Configuration small =
        Configuration.unix().toBuilder().setMaxSize(700_000).setBlockSize(1024).build();
    try (FileSystem disk = Jimfs.newFileSystem(small)) {
      fillsUp(disk.getPath("/work/output"), elsewhere);
    }
  }

  @Test
  void realDiskIsFull(@TempDir Path folder) throws Exception {
    Path disk = Files.createDirectory(folder.resolve("disk"));
    boolean mounted = succeeds("mount", "-t", "tmpfs", "-o", "size=720k", "tmpfs", disk.toString());
    if (!mounted) {
      System.out.println("realDiskIsFull skipped: this user may not mount a tmpfs");
    }
    assumeTrue(mounted, "this user may not mount a tmpfs");
    try {
      fillsUp(disk.resolve("output"), folder.resolve("elsewhere"));
    } finally {
      assertTrue(succeeds("umount", disk.toString()));
    }
  }

  private static boolean succeeds(String... command) throws InterruptedException {
    try {
      return new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false; // no such program
    }
  }

  /** Fails before the first step, not at the first checkpoint hours later. */
  private static void refusesAtOnce(Path output) throws IOException {
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void onStep(StepReport step) {
            throw new AssertionError("trained a step");
          }
        };
    try (TinyTraining run = TinyTraining.create()) {
      Trainer trainer = run.trainer(everyStep(), listener, output);
      IOException e = assertThrows(IOException.class, () -> trainer.train(true));
      System.out.println(e.getMessage());
      assertTrue(
          e.getMessage().startsWith("cannot write to the output folder " + output + ": "),
          e.toString());
    }
  }

  /** What the other run has not finished is left alone, too. */
  @Test
  void outputIsAnotherRuns(@TempDir Path folder) throws Exception {
    Path unfinished = Files.createDirectory(folder.resolve(".checkpoint-7.tmp"));
    FutureTask<OutputLock> taking = new FutureTask<>(() -> OutputLock.of(folder));
    new Thread(taking).start();
    try (OutputLock other = taking.get()) {
      refusesAtOnce(folder);
      assertTrue(Files.exists(unfinished));
    }
    try (TinyTraining run = TinyTraining.create()) {
      run.trainer(everyStep(), new TrainingListener() {}, folder).train(true);
    }
    assertFalse(Files.exists(folder.resolve(OutputLock.FILE)), "nothing of it is left");
  }

  @Test
  void outputIsAFile(@TempDir Path folder) throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "content");
    refusesAtOnce(file);
    refusesAtOnce(file.resolve("below"));
    assertEquals("content", Files.readString(file));
  }

  @Test
  void outputIsReadOnly(@TempDir Path folder) throws Exception {
    if (System.getProperty("user.name").equals("root")) {
      // Permissions mean nothing to root, but nobody makes folders in /proc ...
      Path proc = Path.of("/proc/peft4j");
      if (Files.isDirectory(proc.getParent())) {
        refusesAtOnce(proc);
      }
      // ... or in what is mounted read-only.
      Path disk = Files.createDirectory(folder.resolve("disk"));
      if (succeeds("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk.toString())) {
        try {
          refusesAtOnce(disk);
          refusesAtOnce(disk.resolve("output"));
        } finally {
          assertTrue(succeeds("umount", disk.toString()));
        }
      } else {
        System.out.println("outputIsReadOnly: in /proc only, this user may not mount");
      }
    } else {
      Path output = Files.createDirectory(folder.resolve("output"));
      assertTrue(output.toFile().setWritable(false));
      refusesAtOnce(output);
      assertTrue(output.toFile().setWritable(true));
    }
  }

  /** Examples whose loss is no number in certain steps. */
  private static final class Poisoned implements TrainingSet {
    private final ClassificationSet healthy;
    private final Set<Integer> poisonedBatches;
    private int batches;

    Poisoned(ClassificationSet healthy, Integer... poisonedBatches) {
      this.healthy = healthy;
      this.poisonedBatches = Set.of(poisonedBatches);
    }

    @Override
    public int size() {
      return healthy.size();
    }

    @Override
    public int length(int index) {
      return healthy.length(index);
    }

    @Override
    public int weight(int index) {
      return healthy.weight(index);
    }

    @Override
    public String fingerprint() {
      return healthy.fingerprint();
    }

    @Override
    public TokenBatch batch(Model model, int[] examples) {
      return healthy.batch(model, examples);
    }

    @Override
    public Loss loss(Model model, int[] examples) {
      boolean poison = poisonedBatches.contains(++batches);
      return logits -> {
        NDArray loss = healthy.loss(model, examples).of(logits);
        return poison ? loss.mul(Float.NaN) : loss;
      };
    }
  }

  private static Map<String, float[]> numbers(TinyTraining run) {
    Map<String, float[]> numbers = new HashMap<>();
    run.adapter().tensors().forEach((name, tensor) -> numbers.put(name, tensor.toFloatArray()));
    return numbers;
  }

  private static boolean same(Map<String, float[]> a, Map<String, float[]> b) {
    return a.keySet().equals(b.keySet())
        && a.keySet().stream().allMatch(name -> Arrays.equals(a.get(name), b.get(name)));
  }

  /** Keeps the adapter's numbers after each step. */
  private static TrainingListener recorder(
      TinyTraining run, List<Map<String, float[]>> after, List<Double> losses) {
    return new TrainingListener() {
      @Override
      public void onStep(StepReport step) {
        after.add(numbers(run));
        losses.add(step.loss());
      }
    };
  }

  @Test
  void stopsAtALossThatIsNoNumber(@TempDir Path folder) throws IOException {
    byte[] expected = TinyTraining.run(everyStep(), folder.resolve("whole"));
    Path output = folder.resolve("poisoned");
    List<Map<String, float[]>> after = new ArrayList<>();
    try (TinyTraining run = TinyTraining.create()) {
      // Batches 9 and 10 make step 5 together.
      Trainer trainer =
          run.trainer(
              everyStep(),
              new Poisoned(run.examples(TinyTraining.EXAMPLES, 5), 10),
              recorder(run, after, new ArrayList<>()),
              output);
      TrainingException e = assertThrows(TrainingException.class, () -> trainer.train(false));
      System.out.println(e.getMessage());
      assertTrue(e.getMessage().startsWith("step 5: "), e.getMessage());
      assertEquals(4, after.size());
      assertTrue(same(after.get(3), numbers(run)), "weights are those after step 4");
    }
    assertEquals(
        List.of("checkpoint-1", "checkpoint-2", "checkpoint-3", "checkpoint-4"),
        TinyTraining.names(output));
    try (TinyTraining run = TinyTraining.create()) {
      run.trainer(everyStep(), TinyTraining.SILENT, output).train(true);
    }
    assertArrayEquals(expected, TinyTraining.weights(output), "resumed without the poison");
  }

  @Test
  void skipsALossThatIsNoNumber(@TempDir Path output) throws IOException {
    TrainingArguments arguments =
        TinyTraining.arguments()
            .nonFinite(NonFinite.SKIP)
            .evalStrategy(When.NO)
            .saveStrategy(When.NO)
            .loadBestModelAtEnd(false)
            .build();
    List<Map<String, float[]>> after = new ArrayList<>();
    List<Double> losses = new ArrayList<>();
    List<Double> epochs = new ArrayList<>();
    try (TinyTraining run = TinyTraining.create()) {
      TrainingListener listener =
          TrainingListener.all(
              List.of(
                  recorder(run, after, losses),
                  new TrainingListener() {
                    @Override
                    public void onEpoch(io.peft4j.train.report.EpochReport epoch) {
                      epochs.add(epoch.loss());
                    }
                  }));
      // Step 5 in its second half; step 7, the epoch's last, in its only batch.
      ClassificationSet healthy = run.examples(TinyTraining.EXAMPLES, 5);
      double mean =
          run.trainer(arguments, new Poisoned(healthy, 10, 13), listener, output)
              .train(false)
              .loss();
      assertEquals(21, losses.size());
      assertTrue(Double.isNaN(losses.get(4)) && Double.isNaN(losses.get(6)), losses.toString());
      assertEquals(
          losses.stream().filter(Double::isFinite).mapToDouble(x -> x).average().orElseThrow(),
          mean,
          1e-12);
    }
    assertTrue(same(after.get(3), after.get(4)), "step 5 changes nothing");
    assertFalse(same(after.get(4), after.get(5)), "step 6 goes on");
    assertTrue(same(after.get(5), after.get(6)), "step 7 changes nothing");
    for (Map<String, float[]> numbers : after) {
      for (float[] values : numbers.values()) {
        for (float value : values) {
          assertTrue(Float.isFinite(value));
        }
      }
    }
    assertEquals(3, epochs.size());
    assertEquals(
        losses.subList(0, 7).stream()
            .filter(Double::isFinite)
            .mapToDouble(x -> x)
            .average()
            .orElseThrow(),
        epochs.get(0),
        1e-12,
        "an epoch's loss is that of its updates");
  }
}
