package io.peft4j.model.head;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.chain.Segment;
import io.peft4j.torch.TrainingOps;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Says something of whole sequences: transformers' three problem types, each with its loss and its
 * metrics. Targets are, for each example: the class (single label), 0 or 1 for each class
 * (multi-label), or the values (regression).
 */
public final class SequenceClassifierHead implements Head {

  private final Reading reading;
  private final Segment segment;
  private final Task task;
  private final LabelNames labels;

  /**
   * @param reading one token of each sequence
   * @param segment states of those [examples, hidden] to logits [examples, labels]
   */
  public SequenceClassifierHead(Reading reading, Segment segment, Task task, LabelNames labels) {
    this.reading = reading;
    this.segment = segment;
    this.task = task;
    this.labels = labels;
  }

  @Override
  public String taskType() {
    return "SEQ_CLS";
  }

  @Override
  public Reading reading() {
    return reading;
  }

  @Override
  public List<Segment> segments() {
    return List.of(segment);
  }

  @Override
  public Loss loss(float[][] targets) {
    return logits -> {
      NDArray wanted = tensor(targets, logits.getManager());
      return switch (task) {
        case SINGLE_LABEL -> TrainingOps.crossEntropy(logits, wanted);
        case MULTI_LABEL -> TrainingOps.binaryCrossEntropy(logits, wanted);
        case REGRESSION -> TrainingOps.squaredError(logits, wanted);
      };
    };
  }

  private NDArray tensor(float[][] targets, NDManager manager) {
    if (task == Task.SINGLE_LABEL) {
      long[] classes = new long[targets.length];
      for (int i = 0; i < classes.length; i++) {
        classes[i] = (long) targets[i][0];
      }
      return manager.create(classes);
    }
    int width = targets[0].length;
    float[] flat = new float[targets.length * width];
    for (int i = 0; i < targets.length; i++) {
      System.arraycopy(targets[i], 0, flat, i * width, width);
    }
    return manager.create(flat, new Shape(targets.length, width));
  }

  @Override
  public Map<String, Double> metrics(float[][] outputs, float[][] targets) {
    return ClassifierMetrics.of(task, outputs, targets);
  }

  @Override
  public Optional<LabelNames> labels() {
    return Optional.of(labels);
  }

  @Override
  public Optional<Task> task() {
    return Optional.of(task);
  }
}
