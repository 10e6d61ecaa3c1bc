package io.peft4j.train.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes a run's metrics as JSON lines, one object an event, with the keys of Hugging Face's
 * trainer log: {@code {"loss":…,"grad_norm":…,"learning_rate":…,"epoch":…,"step":…}} for a step,
 * {@code {"eval_loss":…,"eval_accuracy":…,"epoch":…,"step":…}} for an evaluation, {@code
 * {"train_runtime":…,"train_loss":…,…}} at the end. Each line is on disk (as far as the operating
 * system) when the event is over. What is not finite is written as a string: {@code "NaN"}.
 *
 * <p>A new run replaces the file. A resumed run keeps the lines up to the step it goes on from, so
 * the file reads as if there had been no interruption.
 */
public final class MetricsJsonLines implements TrainingListener {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final Path file;
  private Writer writer;

  /**
   * @param file the file to write; it is opened, and its folder made, when the run starts
   */
  public MetricsJsonLines(Path file) {
    this.file = file;
  }

  /**
   * Opens the file.
   *
   * @throws IOException if the file cannot be written, or a resumed run finds a line in it that is
   *     no JSON object, other than a last one that was cut off
   */
  @Override
  public void onStart(RunInfo run) throws IOException {
    close();
    boolean resumes = run.startStep() > 0 && Files.exists(file);
    AtomicFiles.writeString(file, resumes ? linesUpTo(run.startStep()) : "");
    // not a channel: an interrupted thread would close it
    writer =
        new OutputStreamWriter(new FileOutputStream(file.toFile(), true), StandardCharsets.UTF_8);
  }

  private String linesUpTo(int lastStep) throws IOException {
    String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    StringBuilder kept = new StringBuilder();
    int lineNumber = 0;
    // a killed process may leave a last line without its end: it was never whole
    for (int from = 0, end; (end = text.indexOf('\n', from)) >= 0; from = end + 1) {
      lineNumber++;
      String line = text.substring(from, end);
      if (stepOf(line, lineNumber) <= lastStep) {
        kept.append(line).append('\n');
      }
    }
    return kept.toString();
  }

  private int stepOf(String line, int lineNumber) throws IOException {
    JsonNode object;
    try {
      object = JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IOException(file + ", line " + lineNumber + ": not JSON: " + line, e);
    }
    if (!object.path("step").isInt()) {
      throw new IOException(
          file + ", line " + lineNumber + ": expected an object with \"step\", found " + line);
    }
    return object.get("step").intValue();
  }

  @Override
  public void onStep(StepReport step) throws IOException {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("loss", step.loss());
    line.put("grad_norm", step.gradientNorm());
    line.put("learning_rate", step.learningRate());
    line.put("epoch", step.epoch());
    line.put("step", step.step());
    line.put("samples_per_second", step.examplesPerSecond());
    line.put("tokens_per_second", step.tokensPerSecond());
    step.memory().rssBytes().ifPresent(bytes -> line.put("rss_bytes", bytes));
    step.memory().gpu().ifPresent(gpu -> line.put("gpu_bytes", gpu.usedBytes()));
    line.put("heap_bytes", step.memory().heapBytes());
    line.put("elapsed_seconds", step.secondsElapsed());
    write(line);
  }

  @Override
  public void onEvaluate(EvalReport evaluation) throws IOException {
    Map<String, Object> line = new LinkedHashMap<>();
    evaluation.metrics().forEach((name, value) -> line.put("eval_" + name, value));
    line.put("epoch", evaluation.epoch());
    line.put("step", evaluation.step());
    write(line);
  }

  @Override
  public void onEnd(RunSummary summary) throws IOException {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("train_runtime", summary.seconds());
    line.put("train_samples_per_second", summary.examplesPerSecond());
    line.put("train_tokens_per_second", summary.tokensPerSecond());
    line.put("train_loss", summary.loss());
    summary.memory().peakRssBytes().ifPresent(bytes -> line.put("peak_rss_bytes", bytes));
    summary.memory().gpu().ifPresent(gpu -> line.put("peak_gpu_bytes", gpu.peakBytes()));
    line.put("stopped_early", summary.stoppedEarly());
    summary.bestStep().ifPresent(best -> line.put("best_step", best));
    line.put("epoch", summary.epoch());
    line.put("step", summary.step());
    write(line);
    close();
  }

  private void write(Map<String, Object> line) throws IOException {
    if (writer == null) {
      throw new IllegalStateException(file + " is not open: no run has started");
    }
    writer.write(JSON.writeValueAsString(line));
    writer.write('\n');
    writer.flush();
  }

  @Override
  public void close() throws IOException {
    if (writer != null) {
      writer.close();
      writer = null;
    }
  }
}
