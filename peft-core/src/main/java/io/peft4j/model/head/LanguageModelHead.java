package io.peft4j.model.head;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import io.peft4j.eval.Metrics;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.chain.SegmentChain;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;
import io.peft4j.torch.TrainingOps;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Says what token comes next: states [n, hidden] to logits [n, vocabulary], a chunk of rows at a
 * time. The logits of all rows never exist together, and each chunk is differentiated as soon as
 * its loss is there.
 */
public final class LanguageModelHead implements Head, SegmentChain.Top {

  /**
   * The token before each label. A label that no real token precedes is not predicted: the first,
   * with trained tokens before it or without.
   */
  public static final Reading READING = new NextToken();

  /** With fewer, reading the weight takes longer than computing with it; more take more memory. */
  private static final int ROWS = 256;

  private final Linear linear;
  private final NDArray cap;

  /**
   * @param cap logits are softly held within ± it; 0-d, or null
   */
  public LanguageModelHead(Linear linear, NDArray cap) {
    this.linear = linear;
    this.cap = cap;
  }

  @Override
  public String taskType() {
    return "CAUSAL_LM";
  }

  @Override
  public Reading reading() {
    return READING;
  }

  @Override
  public List<Segment> segments() {
    return List.of();
  }

  @Override
  public Optional<Linear> outputEmbedding() {
    return Optional.of(linear);
  }

  @Override
  public NDArray logits(NDArray states, Pass pass) {
    NDArray logits = linear.forward(states, pass);
    return cap == null ? logits : Ops.softCap(logits, cap);
  }

  /** {@return one row, the log-probability of each of the batch's labels} */
  @Override
  public float[][] outputs(NDArray states, Pass pass) {
    return new float[][] {logProbs(states, pass)};
  }

  @Override
  public float[] logProbs(NDArray states, Pass pass) {
    NDArray targets = pass.batch().targets();
    int n = (int) states.getShape().get(0);
    float[] all = new float[n];
    for (int from = 0; from < n; from += ROWS) {
      int to = Math.min(n, from + ROWS);
      try (NDManager scope = states.getManager().newSubManager()) {
        NDArray logits = logits(slice(states, from, to, scope), pass);
        NDArray chunk = TrainingOps.tokenLogProbs(logits, slice(targets, from, to, scope));
        System.arraycopy(chunk.toFloatArray(), 0, all, from, to - from);
      }
    }
    return Arrays.copyOf(all, pass.batch().labels());
  }

  /** Its own loss, in chunks; another one is of all logits together. */
  @Override
  public SegmentChain.Top top(Loss loss) {
    return loss == null ? this : Head.super.top(loss);
  }

  /**
   * {@return {@code loss}, the mean over all labels, and {@code perplexity}, e to the power of it}
   *
   * @param outputs log-probabilities of labels
   * @param targets not used: outputs are the labels' own
   */
  @Override
  public Map<String, Double> metrics(float[][] outputs, float[][] targets) {
    double sum = 0;
    long labels = 0;
    for (float[] row : outputs) {
      for (float logProb : row) {
        sum -= logProb;
      }
      labels += row.length;
    }
    Map<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("loss", sum / labels);
    metrics.put("perplexity", Metrics.perplexity(sum, labels));
    return metrics;
  }

  /** The sum of the labels' cross entropies. */
  @Override
  public SegmentChain.Differentiated differentiate(NDArray states, Pass pass, double scale) {
    NDArray targets = pass.batch().targets();
    NDManager manager = states.getManager();
    int n = (int) states.getShape().get(0);
    NDList gradients = new NDList();
    double loss = 0;
    for (int from = 0; from < n; from += ROWS) {
      int to = Math.min(n, from + ROWS);
      try (NDManager scope = manager.newSubManager()) {
        NDArray chunk = Autograd.leaf(slice(states, from, to, scope));
        NDArray logits;
        try (Autograd.Mode mode = Autograd.record()) {
          logits = logits(chunk, pass);
        }
        NDArray labels = slice(targets, from, to, scope);
        NDList sumAndGradient = gradientOfLoss(logits, labels, HostTensors.number(scope, scale));
        loss += sumAndGradient.get(0).toType(DataType.FLOAT64, false).getDouble();
        Autograd.backward(logits, sumAndGradient.get(1));
        NDArray gradient = Autograd.gradient(chunk);
        gradient.attach(manager);
        gradients.add(gradient);
      }
    }
    if (gradients.size() == 1) {
      return new SegmentChain.Differentiated(loss, gradients.get(0));
    }
    try (gradients) {
      return new SegmentChain.Differentiated(loss, NDArrays.concat(gradients));
    }
  }

  private static NDList gradientOfLoss(NDArray logits, NDArray labels, NDArray scale) {
    try (Autograd.Mode paused = Autograd.pause()) {
      return TrainingOps.crossEntropyGradient(Ops.detach(logits), labels, scale);
    }
  }

  private static NDArray slice(NDArray array, int from, int to, NDManager scope) {
    NDArray slice = array.get(new NDIndex("{}:{}", from, to));
    slice.attach(scope);
    return slice;
  }

  /** A chunk's logits, in whose place their gradient comes; float32's, at the most. */
  @Override
  public long bytes() {
    return (long) Float.BYTES * ROWS * linear.projection().out();
  }

  @Override
  public List<Module> modules() {
    return List.of(linear);
  }

  @Override
  public boolean trainable() {
    return linear.trainable();
  }
}
