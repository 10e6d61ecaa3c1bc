package io.peft4j.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A frozen transformer with a head, loaded from a Hugging Face checkpoint folder. Adapters attach
 * to its {@link #modules}; the weights themselves are never written to.
 *
 * <p>Not thread-safe: use it from one thread at a time.
 */
public final class Model implements AutoCloseable {

  private final ModelConfig config;
  private final EncoderSpec spec;
  private final Task task;
  private final LabelNames labels;
  private final Precision precision;
  private final NDManager manager;
  private final Checkpoint checkpoint;
  private final SegmentChain chain;
  private final ModuleTree modules;
  private String fingerprint;

  private Model(
      ModelConfig config,
      EncoderSpec spec,
      Task task,
      LabelNames labels,
      LoadOptions options,
      NDManager manager,
      Checkpoint checkpoint) {
    this.config = config.with(headConfig(task, labels));
    this.spec = spec;
    this.task = task;
    this.labels = labels;
    this.precision = options.precision();
    this.manager = manager;
    this.checkpoint = checkpoint;
    Weights weights =
        new Weights(
            manager,
            checkpoint,
            precision,
            spec.names().base(),
            spec.initializerRange(),
            options.seed());
    List<Segment> segments = EncoderBuilder.classifier(spec, weights, labels.size());
    this.chain = new SegmentChain(segments, precision);
    this.modules =
        new ModuleTree(
            segments.stream().flatMap(segment -> segment.modules().stream()).toList(), null);
  }

  /**
   * Loads an encoder with a sequence-classification head. A head that the checkpoint lacks is newly
   * initialized, as in transformers.
   *
   * @param folder with {@code config.json} and {@code model.safetensors} (or its shards)
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the configuration or the weights are not what a known
   *     architecture needs; the message names file and key
   */
  public static Model load(Path folder, LoadOptions options) throws IOException {
    ModelConfig config = ModelConfig.read(folder);
    EncoderSpec spec = EncoderSpec.of(config);
    LabelNames labels = options.labels() != null ? options.labels() : config.labels();
    Task task = options.task() != null ? options.task() : config.task();
    Checkpoint checkpoint = Checkpoint.open(folder);
    NDManager manager = NDManager.newBaseManager("PyTorch");
    try {
      return new Model(config, spec, task, labels, options, manager, checkpoint);
    } catch (RuntimeException e) {
      manager.close();
      checkpoint.close();
      throw e;
    }
  }

  private static ObjectNode headConfig(Task task, LabelNames labels) {
    ObjectNode changes = JsonNodeFactory.instance.objectNode();
    ObjectNode id2label = changes.putObject("id2label");
    labels.id2label().forEach((id, name) -> id2label.put(id.toString(), name));
    ObjectNode label2id = changes.putObject("label2id");
    labels.label2id().forEach(label2id::put);
    changes.put("problem_type", task.problemType());
    return changes;
  }

  /** {@return the checkpoint's config with this model's labels and problem type in it} */
  public ModelConfig config() {
    return config;
  }

  public Task task() {
    return task;
  }

  /** {@return the names of the logits} */
  public LabelNames labels() {
    return labels;
  }

  public ModuleTree modules() {
    return modules;
  }

  public Precision precision() {
    return precision;
  }

  /** {@return the owner of what lives as long as the model} */
  public NDManager manager() {
    return manager;
  }

  /** {@return the files the weights come from} */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /**
   * {@return the SHA-256 of the checkpoint's tensors, see {@link Fingerprint#of}} Reads the whole
   * checkpoint the first time.
   */
  public String fingerprint() {
    if (fingerprint == null) {
      fingerprint = Fingerprint.of(checkpoint);
    }
    return fingerprint;
  }

  /**
   * Reads all of the base's weights in search of one that is not a finite number. Loading does not:
   * it would read a file that otherwise is read when, and as far as, it is used.
   *
   * @throws IllegalArgumentException if there is one; the message names file and tensor
   */
  public void checkFinite() {
    for (Parameter parameter : modules.parameters()) {
      if (!parameter.isFinite()) {
        throw new IllegalArgumentException(
            checkpoint.path()
                + ": tensor '"
                + parameter.name()
                + "': expected finite numbers, found NaN or an infinity");
      }
    }
  }

  /** {@return the longest sequence it takes, in tokens} */
  public int maxLength() {
    return spec.maxLength();
  }

  /** One example without padding; types may be null for all zeros. */
  public TokenSequence sequence(int[] ids, int[] types) {
    return spec.sequence(ids, types == null ? new int[ids.length] : types);
  }

  /** One row of a padded batch, as a tokenizer or a Python colleague may have made it. */
  public TokenSequence unpad(int[] ids, int[] types, int[] attentionMask) {
    return spec.unpad(ids, types == null ? new int[ids.length] : types, attentionMask);
  }

  /** Lays sequences out as one batch for this model; the caller closes it. */
  public TokenBatch batch(List<TokenSequence> sequences) {
    return TokenBatch.of(manager, sequences, precision);
  }

  /**
   * Runs {@code batch} without dropout and without a graph.
   *
   * @return the logits, [examples][labels]; they may be NaN if an adapter's weights are
   * @throws IllegalArgumentException if they are not finite because of the base's own weights
   */
  public float[][] logits(TokenBatch batch) {
    float[] flat = chain.infer(batch);
    for (float logit : flat) {
      if (!Float.isFinite(logit)) {
        checkFinite();
        break;
      }
    }
    float[][] rows = new float[batch.examples()][labels.size()];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(flat, i * labels.size(), rows[i], 0, labels.size());
    }
    return rows;
  }

  /**
   * Runs {@code batch} forward and backward: gradients are added to those of whatever is trainable
   * on this model.
   *
   * @param loss of the logits [examples, labels], a scalar
   * @param scale factor on the gradients, such as one over the number of examples summed
   * @param dropoutKey determines every dropout mask of the pass
   * @param recompute whether layers give up their graphs and are run again in the backward pass,
   *     which saves memory and costs time (Chen et al., 2016)
   * @return the loss, not scaled
   */
  public double forwardBackward(
      TokenBatch batch, Loss loss, double scale, long dropoutKey, boolean recompute) {
    return chain.forwardBackward(batch, loss, scale, dropoutKey, recompute);
  }

  /** What a run is judged by. */
  @FunctionalInterface
  public interface Loss {
    /**
     * @param output of the model
     * @return a scalar, on {@code output}'s manager
     */
    NDArray of(NDArray output);
  }

  /** Frees the weights. Adapters on this model have to be closed before. */
  @Override
  public void close() {
    manager.close();
    checkpoint.close();
  }
}
