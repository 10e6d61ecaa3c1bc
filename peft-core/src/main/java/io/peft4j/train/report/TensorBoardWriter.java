package io.peft4j.train.report;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Writes a run's metrics as a TensorBoard event file, to be watched with {@code tensorboard
 * --logdir FOLDER}: {@code train/loss}, {@code train/learning_rate}, {@code train/grad_norm},
 * {@code train/samples_per_second}, {@code train/tokens_per_second}, {@code train/rss_gb}, {@code
 * train/epoch} by step, {@code eval/METRIC} by evaluation, and {@code epoch/loss}.
 *
 * <p>A run writes a new file, {@code events.out.tfevents.SECONDS.HOST.PID.N}. A resumed run marks
 * its start, whereupon TensorBoard forgets what older files of the folder hold of later steps.
 */
public final class TensorBoardWriter implements TrainingListener {

  private static final Path KERNEL_NAME = Path.of("/proc/sys/kernel/hostname");

  private final Path folder;
  private final Clock clock;
  private OutputStream file;

  /**
   * @param folder the log folder; it is made when the run starts
   */
  public TensorBoardWriter(Path folder) {
    this(folder, Clock.systemUTC());
  }

  TensorBoardWriter(Path folder, Clock clock) {
    this.folder = folder;
    this.clock = clock;
  }

  /**
   * Opens a new event file.
   *
   * @throws IOException if it cannot be made
   */
  @Override
  public void onStart(RunInfo run) throws IOException {
    close();
    Files.createDirectories(folder);
    file = newFile();
    write(EventRecords.fileVersion(wallTime()));
    if (run.startStep() > 0) {
      write(EventRecords.sessionStart(wallTime(), run.startStep() + 1L));
    }
  }

  /** Not a channel: an interrupted thread would close it. */
  private OutputStream newFile() throws IOException {
    String name =
        String.format(
            Locale.ROOT,
            "events.out.tfevents.%010d.%s.%d.",
            clock.instant().getEpochSecond(),
            hostName(),
            ProcessHandle.current().pid());
    for (int number = 0; ; number++) {
      try {
        Path made = Files.createFile(folder.resolve(name + number));
        return new FileOutputStream(made.toFile());
      } catch (FileAlreadyExistsException e) {
        // a run of this process that began in the same second has it: take the next number
      }
    }
  }

  /**
   * The machine's own word for itself. Java's {@code getLocalHost} would look its address up, which
   * may ask a name server.
   */
  private static String hostName() throws IOException {
    String name = System.getenv("COMPUTERNAME"); // on Windows
    if (name == null && Files.isReadable(KERNEL_NAME)) {
      name = Files.readString(KERNEL_NAME).strip();
    }
    // the name only tells files apart, and a machine without one is no reason to stop
    return name == null || name.isEmpty() ? "localhost" : name.replaceAll("[^A-Za-z0-9.-]", "-");
  }

  @Override
  public void onStep(StepReport step) throws IOException {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("train/loss", step.loss());
    values.put("train/learning_rate", step.learningRate());
    if (!Double.isNaN(step.gradientNorm())) {
      values.put("train/grad_norm", step.gradientNorm());
    }
    values.put("train/samples_per_second", step.examplesPerSecond());
    values.put("train/tokens_per_second", step.tokensPerSecond());
    step.memory().rssBytes().ifPresent(bytes -> values.put("train/rss_gb", bytes / 1e9));
    step.memory().gpu().ifPresent(gpu -> values.put("train/gpu_gb", gpu.usedBytes() / 1e9));
    values.put("train/epoch", step.epoch());
    write(EventRecords.scalars(wallTime(), step.step(), values));
  }

  @Override
  public void onEpoch(EpochReport epoch) throws IOException {
    write(EventRecords.scalars(wallTime(), epoch.step(), Map.of("epoch/loss", epoch.loss())));
  }

  @Override
  public void onEvaluate(EvalReport evaluation) throws IOException {
    Map<String, Double> values = new LinkedHashMap<>();
    evaluation.metrics().forEach((name, value) -> values.put("eval/" + name, value));
    write(EventRecords.scalars(wallTime(), evaluation.step(), values));
  }

  @Override
  public void onEnd(RunSummary summary) throws IOException {
    close();
  }

  private double wallTime() {
    return clock.millis() / 1e3;
  }

  private void write(byte[] event) throws IOException {
    if (file == null) {
      throw new IllegalStateException(
          "no event file is open in " + folder + ": no run has started");
    }
    file.write(EventRecords.frame(event));
  }

  @Override
  public void close() throws IOException {
    if (file != null) {
      file.close();
      file = null;
    }
  }
}
