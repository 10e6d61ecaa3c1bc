package io.peft4j.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.batch.VirtualTokens;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.chain.MemoryEstimate;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.chain.SegmentChain;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.head.Head;
import io.peft4j.model.head.Rows;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.StoredNames;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.KeyValues;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.ModuleTree;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.Projection;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A frozen transformer with a head, loaded from a Hugging Face checkpoint folder. Adapters attach
 * to its {@link #modules}; the weights themselves are never written to.
 *
 * <p>Any number of threads may run it at the same time ({@link #logits}, {@link #logProbs}); on a
 * GPU, or with streamed weights, they take turns. Closing it, and changing its adapters, while
 * another thread runs it throws; see {@link Uses}.
 *
 * <pre>{@code
 * try (Model model = Model.load(folder, LoadOptions.DEFAULT);
 *     TextTokenizer tokenizer = TextTokenizer.of(folder, model)) {
 *   Tokens text = tokenizer.encode("Works on every ward.");
 *   TokenSequence sequence = model.sequence(text.ids(), text.types());
 *   try (TokenBatch batch = model.batch(List.of(sequence))) {
 *     float[][] logits = model.logits(batch); // [examples][labels]
 *   }
 * }
 * }</pre>
 */
public final class Model implements AutoCloseable {

  /** The {@link #weightFormat} of a model none of whose weights is quantized. */
  public static final String DENSE = Projection.DENSE;

  private static final Logger LOGGER = LoggerFactory.getLogger(Model.class);

  private final ModelConfig config;
  private final Architecture architecture;
  private final Head head;
  private final Precision precision;
  private final NDManager manager;
  private final Checkpoint checkpoint;
  private final boolean streaming;
  private final SegmentChain chain;
  private final ModuleTree modules;
  private final Embedding words;
  private final long mappedBytes;
  private final StoredNames stored;
  private final List<String> initialized;
  private final List<LayerSites> sites;
  private final VirtualTokens virtualTokens;
  private final Uses uses;
  private String fingerprint;
  private boolean saidUntrained;

  /**
   * @param weights of {@code checkpoint}, on {@code manager}
   */
  Model(
      HeadKind.Plan plan,
      LoadOptions options,
      NDManager manager,
      Checkpoint checkpoint,
      Weights weights) {
    this.config = plan.config();
    this.architecture = plan.architecture();
    this.precision = options.precision();
    this.streaming = options.streaming();
    this.manager = manager;
    this.checkpoint = checkpoint;
    this.uses = new Uses(!passesMayOverlap());
    HeadKind.Parts parts = plan.build(weights);
    this.head = parts.head();
    List<Segment> segments = new ArrayList<>(parts.body());
    segments.addAll(head.segments());
    this.mappedBytes = weights.mappedBytes();
    this.stored = weights.names();
    this.initialized = weights.initialized();
    this.chain = new SegmentChain(segments, precision, streaming, architecture.hidden());
    List<Module> leaves = new ArrayList<>();
    segments.forEach(segment -> leaves.addAll(segment.modules()));
    head.outputEmbedding().ifPresent(leaves::add);
    this.sites = segments.stream().map(Segment::sites).filter(Objects::nonNull).toList();
    this.virtualTokens =
        new VirtualTokens(architecture.sequence(new int[1], new int[1]).positions()[0]);
    this.modules = new ModuleTree(leaves, head.outputEmbedding());
    this.words =
        leaves.stream()
            .filter(Embedding.class::isInstance)
            .map(Embedding.class::cast)
            .findFirst()
            .orElseThrow();
  }

  /**
   * Loads an encoder or a decoder with a sequence-classification head; for a language model see
   * {@link CausalLm}. A head that the checkpoint lacks is newly initialized, as in transformers,
   * and said to be so when the model is trained, or used without having been.
   *
   * @param folder with {@code config.json} and {@code model.safetensors} (or its shards)
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the configuration or the weights are not what a known
   *     architecture needs; the message names file and key
   */
  public static Model load(Path folder, LoadOptions options) throws IOException {
    return load(folder, options, HeadKind.SEQUENCE_CLASSIFIER);
  }

  /**
   * Loads an encoder or a decoder with any kind of head.
   *
   * @param folder with {@code config.json} and {@code model.safetensors} (or its shards)
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the configuration or the weights are not what a known
   *     architecture and the head need; the message names file and key
   */
  public static Model load(Path folder, LoadOptions options, HeadKind head) throws IOException {
    return new ModelLoader(folder, options).load(head);
  }

  /** {@return the checkpoint's config with this model's labels and problem type in it} */
  public ModelConfig config() {
    return config;
  }

  /** {@return what it ends in} */
  public Head head() {
    return head;
  }

  /**
   * {@return what the classification head learns} Whether it is one, {@link Head#task} says.
   *
   * @throws IllegalStateException if the head has no problem type, as a language model's
   */
  public Task task() {
    return head.task().orElseThrow(() -> lacks("problem type"));
  }

  /**
   * {@return the names of the logits} Whether they have any, {@link Head#labels} says.
   *
   * @throws IllegalStateException if the head's outputs have none, as a language model's
   */
  public LabelNames labels() {
    return head.labels().orElseThrow(() -> lacks("labels"));
  }

  private IllegalStateException lacks(String what) {
    return new IllegalStateException(
        checkpoint.path() + ": its head is for " + head.taskType() + ", which has no " + what);
  }

  public ModuleTree modules() {
    return modules;
  }

  /**
   * {@return the names of the parameters that the checkpoint lacks and that were drawn: those of a
   * new head}
   */
  public List<String> initialized() {
    return initialized;
  }

  /**
   * {@return those of {@link #initialized} in whose place no adapter has trained ones now} What a
   * model says by them means nothing.
   */
  public List<String> untrained() {
    return modules.parameters().stream()
        .filter(parameter -> initialized.contains(parameter.name()))
        .filter(parameter -> parameter.value() == parameter.base())
        .map(Parameter::name)
        .toList();
  }

  /** {@return the sizes that adapters ask for} */
  public Architecture.Sizes sizes() {
    return architecture.sizes();
  }

  /** {@return each layer's places for adapters beside its modules} */
  public List<LayerSites> sites() {
    return sites;
  }

  /** {@return what active adapters put before each example} */
  public VirtualTokens virtualTokens() {
    return virtualTokens;
  }

  /** {@return the embedding of its tokens} */
  public Embedding words() {
    return words;
  }

  /**
   * {@return how many tokens it knows} More than its config says while an adapter is active that
   * was trained after the vocabulary had grown.
   */
  public int vocabularySize() {
    return Math.toIntExact(words.weight().shape().get(0));
  }

  public Precision precision() {
    return precision;
  }

  /** {@return the owner of what lives as long as the model, on the model's device} */
  public NDManager manager() {
    return manager;
  }

  /** {@return who runs and who changes this model} */
  public Uses uses() {
    return uses;
  }

  /** A run that reads the weights, which are the files' own pages. */
  private Uses.Use running() {
    return mapped(uses.run());
  }

  /** Many runs that do, between which the model stays as it is. */
  Uses.Use pinned() {
    return mapped(uses.pin());
  }

  private Uses.Use mapped(Uses.Use use) {
    try {
      checkpoint.checkMapped();
      return use;
    } catch (RuntimeException e) {
      use.close();
      throw e;
    }
  }

  /** {@return the files the weights come from} */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /** {@return the names that the checkpoint has for this model's tensors} */
  StoredNames stored() {
    return stored;
  }

  /**
   * {@return the SHA-256 of the checkpoint's tensors, see {@link Fingerprint#of}} Reads the whole
   * checkpoint the first time.
   */
  public String fingerprint() {
    try (Uses.Use use = running()) {
      if (fingerprint == null) {
        fingerprint = Fingerprint.of(checkpoint);
      }
      return fingerprint;
    }
  }

  /**
   * {@return what the weights of its layers are kept as: {@value #DENSE}, or such as {@code nf4}}
   */
  public String weightFormat() {
    return modules.leaves().stream()
        .filter(leaf -> leaf instanceof Linear linear && linear.weight() == null)
        .map(leaf -> ((Linear) leaf).projection().format())
        .findFirst()
        .orElse(DENSE);
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

  /** {@return the longest sequence it takes, in tokens, beside what adapters put before it} */
  public int maxLength() {
    return architecture.maxLength() - virtualTokens.length();
  }

  /** One example without padding; types may be null for all zeros. */
  public TokenSequence sequence(int[] ids, int[] types) {
    return known(architecture.sequence(ids, types == null ? new int[ids.length] : types));
  }

  private TokenSequence known(TokenSequence sequence) {
    int vocabulary = vocabularySize();
    for (int id : sequence.ids()) {
      if (id < 0 || id >= vocabulary) {
        throw new IllegalArgumentException(
            "expected tokens from 0 to " + (vocabulary - 1) + ", the vocabulary; found " + id);
      }
    }
    return sequence;
  }

  /**
   * One row of a padded batch, as a tokenizer or a Python colleague may have made it, with the
   * positions that Hugging Face gives it under the adapters now active.
   */
  public TokenSequence unpad(int[] ids, int[] types, int[] attentionMask) {
    int[] segments = types == null ? new int[ids.length] : types;
    return known(
        virtualTokens.haveVectors()
            ? architecture.unpadVectors(ids, segments, attentionMask)
            : architecture.unpad(ids, segments, attentionMask));
  }

  /**
   * Lays sequences out as one batch for this model and the adapters now active; the caller closes
   * it.
   */
  public TokenBatch batch(List<TokenSequence> sequences) {
    try (Uses.Use use = uses.pin()) {
      return TokenBatch.of(manager, virtualTokens.before(sequences), head.reading(), precision)
          .under(virtualTokens.layout());
    }
  }

  /**
   * As {@link #batch(List)}, with examples of one group only in each row; see {@link Pass#groups}.
   *
   * @param groups a number for each sequence, from 0
   */
  public TokenBatch batch(List<TokenSequence> sequences, int[] groups) {
    try (Uses.Use use = uses.pin()) {
      return TokenBatch.of(
              manager, virtualTokens.before(sequences), head.reading(), groups, precision)
          .under(virtualTokens.layout());
    }
  }

  /**
   * {@return whether two threads may run a training pass each at the same time} They may not where
   * weights are streamed, for the layers take turns in memory; nor is there anything to gain on a
   * GPU.
   */
  public boolean passesMayOverlap() {
    return !streaming && !manager.getDevice().isGpu();
  }

  /**
   * Runs {@code batch} without dropout and without a graph.
   *
   * @return the logits of each state that the head reads: a sequence classifier's are
   *     [examples][labels], a language model's [labels][vocabulary]; they may be NaN if an
   *     adapter's weights are
   * @throws IllegalStateException if adapters that put something before each example were switched
   *     since the batch was made
   * @throws IllegalArgumentException if they are not finite because of the base's own weights
   */
  public float[][] logits(TokenBatch batch) {
    return outputs(batch, (states, pass) -> Rows.of(head.logits(states, pass), batch.reads()));
  }

  /**
   * As {@link #logits}, but gives what the head says for people and metrics: see {@link
   * Head#outputs}.
   */
  public float[][] outputs(TokenBatch batch) {
    return outputs(batch, head::outputs);
  }

  /**
   * {@return the log-probability of each label of the batch's tokens; none where labels are not the
   * tokens', as with a sequence classifier}
   */
  public float[] logProbs(TokenBatch batch) {
    return batch.labels() == 0
        ? new float[0]
        : outputs(batch, (states, pass) -> new float[][] {head.logProbs(states, pass)})[0];
  }

  private float[][] outputs(TokenBatch batch, BiFunction<NDArray, Pass, float[][]> use) {
    if (batch.reads() == 0) {
      return new float[0][];
    }
    sayUntrained();
    try (Uses.Use running = running()) {
      batch.check(virtualTokens.layout());
      Pass pass = Pass.inference(batch, precision);
      float[][] rows = chain.infer(pass, top(null).modules(), states -> use.apply(states, pass));
      for (float[] row : rows) {
        blameBase(row);
      }
      return rows;
    }
  }

  private void sayUntrained() {
    if (!saidUntrained && !initialized.isEmpty()) {
      List<String> untrained = untrained();
      if (!untrained.isEmpty()) {
        saidUntrained = true;
        LOGGER.warn(
            "{}: newly initialized and not trained, so that its answers mean nothing: {}",
            checkpoint.path(),
            String.join(", ", untrained));
      }
    }
  }

  /** Looks into the base's weights where an output is not finite. */
  private void blameBase(float[] outputs) {
    for (float output : outputs) {
      if (!Float.isFinite(output)) {
        checkFinite();
        return;
      }
    }
  }

  /**
   * {@return the logits of each row's next token, after a step of generation} Files are looked at
   * once a generation, when it is {@link #pinned}.
   */
  float[][] next(TokenBatch.Step step, KeyValues cache) {
    try (Uses.Use use = uses.run();
        TokenBatch batch = TokenBatch.of(manager, step.shifted(virtualTokens.shift()), precision)) {
      Pass pass = Pass.step(batch, precision, cache);
      return chain.infer(
          pass,
          top(null).modules(),
          states -> Rows.of(head.logits(states, pass), batch.examples()));
    }
  }

  /** {@return how many layers keep keys and values} */
  int layers() {
    return architecture.layers();
  }

  /**
   * Runs {@code batch} forward and backward: gradients are added to those of whatever is trainable
   * on this model.
   *
   * @param loss of the logits, a scalar; null for the sum of the cross entropies of the tokens'
   *     labels
   * @param scale factor on the gradients, such as one over the number of examples summed
   * @param dropoutKey determines every dropout mask of the pass
   * @param recomputed how many layers, from the lowest trained one up, give up their graphs and are
   *     run again in the backward pass, which saves memory and costs time (Chen et al., 2016); 0
   *     for none, {@link #recomputable} or more for all
   * @return the loss, not scaled
   */
  public double forwardBackward(
      TokenBatch batch, Loss loss, double scale, long dropoutKey, int recomputed) {
    if (batch.reads() == 0) {
      return 0;
    }
    try (Uses.Use use = running()) {
      batch.check(virtualTokens.layout());
      return chain.forwardBackward(batch, top(loss), scale, dropoutKey, recomputed);
    }
  }

  /** As with an {@code int}, for all layers or none. */
  public double forwardBackward(
      TokenBatch batch, Loss loss, double scale, long dropoutKey, boolean recompute) {
    return forwardBackward(batch, loss, scale, dropoutKey, recompute ? Integer.MAX_VALUE : 0);
  }

  /** {@return how many layers can be run again, given what is trainable now} */
  public int recomputable() {
    return chain.recomputable(top(null));
  }

  /**
   * {@return what a training step on {@code batch} is expected to hold at its peak}
   *
   * @param process bytes that the process holds beside the checkpoint's pages, before training
   * @param optimizer bytes of gradients and optimizer state
   */
  public MemoryEstimate estimate(TokenBatch batch, long process, long optimizer) {
    return chain.estimate(batch, top(null), process, mappedBytes, optimizer);
  }

  private SegmentChain.Top top(Loss loss) {
    return head.top(loss);
  }

  /**
   * Frees the weights. Adapters on this model have to be closed before.
   *
   * @throws IllegalStateException if another thread is running the model; nothing is then closed
   */
  @Override
  public void close() {
    if (uses.close()) {
      modules.parameters().forEach(Parameter::release);
      manager.close();
      checkpoint.close();
    }
  }
}
