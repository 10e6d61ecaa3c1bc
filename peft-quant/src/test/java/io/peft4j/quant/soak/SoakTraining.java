package io.peft4j.quant.soak;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.io.OutputLock;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.train.CausalSet;
import io.peft4j.train.ClassificationSet;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.TrainingSet;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.IntConsumer;
import java.util.stream.Stream;

/** Six steps on a model of its own, with checkpoints, whose result is known to the byte. */
final class SoakTraining {

  static final int STEPS = 6;
  static final List<String> RESULT = List.of(AdapterFiles.CONFIG, AdapterFiles.WEIGHTS);

  private static final int EXAMPLES = 10;

  private final SharedModel kind;
  private final long seed;
  private final Path expected;

  /**
   * @param kind what the model is like
   * @param expected folder for the result of a run that nothing happens to
   */
  SoakTraining(SharedModel kind, long seed, Path expected) throws IOException {
    this.kind = kind;
    this.seed = seed;
    this.expected = expected;
    run(expected, false, step -> {});
  }

  Path expected() {
    return expected;
  }

  /**
   * @param afterStep hears of each step that is done, and of number 0 before the first
   */
  void run(Path output, boolean resume, IntConsumer afterStep) throws IOException {
    if (kind.lm == null) {
      try (Model model = Model.load(kind.folder, kind.options)) {
        run(model, null, output, resume, afterStep);
      }
    } else {
      try (CausalLm lm = CausalLm.load(kind.folder, kind.options)) {
        run(lm.model(), lm, output, resume, afterStep);
      }
    }
  }

  private void run(Model model, CausalLm lm, Path output, boolean resume, IntConsumer afterStep)
      throws IOException {
    TrainingArguments arguments =
        TrainingArguments.builder()
            .maxSteps(STEPS)
            .perDeviceTrainBatchSize(2)
            .gradientAccumulationSteps(2)
            .learningRate(5e-3)
            .seed(seed)
            .saveStrategy(When.STEPS)
            .saveSteps(2)
            .build();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void onStep(StepReport report) {
            afterStep.accept(report.step());
          }
        };
    try (AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.add("new", LoraConfig.builder().r(4).loraDropout(0.1).build(), 1);
      TrainingSet data = lm == null ? texts(model) : texts(lm);
      Trainer trainer =
          new Trainer(adapted, "new", arguments, data, null, listener, output, Map.of());
      afterStep.accept(0);
      trainer.train(resume);
    }
  }

  private static ClassificationSet texts(Model model) {
    List<TokenSequence> sequences = new ArrayList<>();
    float[][] targets = new float[EXAMPLES][1];
    for (int i = 0; i < EXAMPLES; i++) {
      sequences.add(model.sequence(SharedModel.ids(model, i), null));
      targets[i][0] = i % 3;
    }
    return new ClassificationSet(sequences, targets);
  }

  private static CausalSet texts(CausalLm lm) {
    List<TokenSequence> sequences = new ArrayList<>();
    for (int i = 0; i < EXAMPLES; i++) {
      sequences.add(lm.sequence(SharedModel.ids(lm.model(), i)));
    }
    return new CausalSet(sequences);
  }

  /** Interrupted again and again, a checkpoint damaged on the way: the result is the same. */
  void interrupted(Path output, Random random, Counts counts) throws Exception {
    Folders.delete(output);
    for (int cut = random.nextInt(4); cut > 0; cut--) {
      if (random.nextBoolean()) {
        interruptAtStep(output, 1 + random.nextInt(STEPS), counts);
      } else {
        interruptAfter(output, random.nextInt(60), counts);
      }
    }
    if (random.nextInt(3) == 0) {
      damageLast(output, random, counts);
    }
    run(output, true, step -> secondRunIsRefused(step, output, counts));
    checkResult(output, "training of " + kind.name + " that was cut");
  }

  private void interruptAtStep(Path output, int at, Counts counts) throws IOException {
    try {
      run(
          output,
          true,
          step -> {
            if (step == at) {
              Thread.currentThread().interrupt();
            }
          });
    } catch (CancellationException e) {
      counts.add("fault: training interrupted at a step");
    } finally {
      Thread.interrupted();
    }
  }

  private void interruptAfter(Path output, int milliseconds, Counts counts) throws Exception {
    Thread training = Thread.currentThread();
    Thread timer =
        new Thread(
            () -> {
              try {
                Thread.sleep(milliseconds);
                training.interrupt();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    try {
      run(
          output,
          true,
          step -> {
            if (step == 0) {
              timer.start(); // whoever is interrupted while loading gets an IOException
            }
          });
    } catch (CancellationException e) {
      counts.add("fault: training interrupted at any moment");
    } finally {
      timer.interrupt();
      Thread.interrupted();
      timer.join();
      Thread.interrupted();
    }
  }

  private static void damageLast(Path output, Random random, Counts counts) throws IOException {
    List<Path> checkpoints = List.of();
    if (Files.exists(output)) {
      try (Stream<Path> entries = Files.list(output)) {
        checkpoints =
            entries
                .filter(entry -> entry.getFileName().toString().startsWith("checkpoint-"))
                .sorted()
                .toList();
      }
    }
    if (checkpoints.size() > 1) {
      List<Path> files = Folders.files(checkpoints.get(checkpoints.size() - 1));
      Path file = files.get(random.nextInt(files.size()));
      byte[] bytes = Files.readAllBytes(file);
      Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
      counts.add("fault: checkpoint damaged");
    }
  }

  private static void secondRunIsRefused(int step, Path output, Counts counts) {
    if (step % 3 == 1) {
      FutureTask<OutputLock> second = new FutureTask<>(() -> OutputLock.of(output));
      new Thread(second).start();
      try (OutputLock taken = second.get()) {
        throw new AssertionError("a second run may write to " + taken);
      } catch (InterruptedException | IOException e) {
        throw new AssertionError(e);
      } catch (ExecutionException e) {
        if (!String.valueOf(e.getMessage()).contains("another run is writing to it")) {
          throw new AssertionError(e);
        }
        counts.add("refused: second run into a folder");
      }
    }
  }

  /** A write, sync or rename fails, over an older adapter: one of the two is there, and whole. */
  void onFaultyDisk(Path output, Path older, DiskFaults faults, Random random, Counts counts)
      throws IOException {
    faults.off();
    long operations = 0;
    boolean survived = true;
    Folders.delete(output);
    Files.createDirectories(output);
    for (String file : RESULT) {
      Files.copy(older.resolve(file), output.resolve(file));
    }
    faults.on(1 + random.nextInt(200), random.nextBoolean());
    try {
      run(output, false, step -> {});
    } catch (IOException e) {
      survived = false;
      counts.add("fault: write, sync or rename failed");
    } finally {
      operations = faults.seen();
      faults.off();
    }
    AdapterFiles.readConfig(output); // who reads it ends what the disk did not let the writer end
    boolean fresh = Folders.same(output, expected, RESULT);
    if (survived ? !fresh : !fresh && !Folders.same(output, older, RESULT)) {
      throw new AssertionError("lost by a fault among " + operations + " operations: " + output);
    }
    run(output, true, step -> {});
    checkResult(output, "training of " + kind.name + " after a disk fault");
  }

  private void checkResult(Path output, String what) throws IOException {
    if (!Folders.same(output, expected, RESULT)) {
      throw new AssertionError(what + ": " + output + " is not what " + expected + " is");
    }
    try (Stream<Path> files = Files.walk(output)) {
      List<Path> left =
          files.filter(file -> file.getFileName().toString().startsWith(".")).toList();
      if (!left.isEmpty()) {
        throw new AssertionError(what + ": left behind " + left);
      }
    }
    Folders.delete(output);
  }
}
