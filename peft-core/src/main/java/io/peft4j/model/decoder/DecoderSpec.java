package io.peft4j.model.decoder;

import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Activation;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.function.IntToDoubleFunction;

/**
 * What distinguishes one decoder family or checkpoint from another, read from {@code config.json}
 * by a {@link DecoderFamily} and made with a {@link #builder}. {@link DecoderLayer} and the rest
 * run them all.
 *
 * @param layers how many decoder layers
 * @param hidden width of the residual stream
 * @param intermediate width of the feed-forward part
 * @param vocabulary rows of the token embedding
 * @param maxPositions longest sequence
 * @param norm kind of all normalizations
 * @param attention heads and what is done to them
 * @param feedForward the other half of a layer
 * @param ropes rotary positions, by layer; null where nothing is turned
 * @param parallel whether attention and feed-forward read the same input, side by side
 * @param embeddingScale factor on token embeddings
 * @param logitCap logits are softly held within ± it; 0 for no cap
 * @param tied whether the head's weight is the token embedding
 * @param turned whether linear layers are stored as [in, out]
 * @param dropout of the embeddings' and of each half layer's output
 * @param initializerRange standard deviation of newly initialized weights
 * @param padId token that pads, which a classifier does not read; null where there is none
 * @param names where the modules are
 */
public record DecoderSpec(
    int layers,
    int hidden,
    int intermediate,
    int vocabulary,
    int maxPositions,
    Normalization norm,
    Attention attention,
    FeedForward feedForward,
    List<Rope> ropes,
    boolean parallel,
    double embeddingScale,
    double logitCap,
    boolean tied,
    boolean turned,
    Dropout dropout,
    double initializerRange,
    Integer padId,
    DecoderNames names)
    implements Architecture {

  /**
   * @param rms root mean square without mean and bias, rather than layer normalization
   * @param offset whether {@code 1 + weight} is the factor
   * @param epsilon added to the variance
   */
  public record Normalization(boolean rms, boolean offset, double epsilon) {}

  /** How queries, keys and values come out of linear layers. */
  public enum Joining {
    /** Three layers. */
    NONE,
    /** One layer: all queries, all keys, all values. */
    WHOLE,
    /** One layer: head by head, its query, key and value. */
    BY_HEAD
  }

  /** What of queries and keys is normalized before they are turned. */
  public enum QueryNorm {
    /** Nothing. */
    NONE,
    /** Each head by itself. */
    BY_HEAD,
    /** All heads of a token together. */
    WHOLE
  }

  /**
   * @param heads query heads
   * @param keyHeads key and value heads, each shared by {@code heads / keyHeads} query heads
   * @param headDim elements of a head
   * @param joining how many layers make q, k and v
   * @param bias whether those have a bias
   * @param outputBias whether the layer after has
   * @param norm of queries and keys
   * @param scales factor on the scores, by layer
   * @param cap scores are softly held within ± it; 0 for no cap
   * @param windows how many tokens a token sees, itself included, by layer
   * @param dropout probability with which attention probabilities are dropped
   */
  public record Attention(
      int heads,
      int keyHeads,
      int headDim,
      Joining joining,
      boolean bias,
      boolean outputBias,
      QueryNorm norm,
      double[] scales,
      double cap,
      int[] windows,
      double dropout) {}

  /**
   * @param gated whether {@code activation(gate x) · up x} goes down, rather than {@code
   *     activation(up x)}
   * @param joined whether gate and up are one layer
   * @param activation between
   * @param bias whether the layers have one
   */
  public record FeedForward(boolean gated, boolean joined, Activation activation, boolean bias) {}

  /** Probabilities, for embeddings and each half layer's output. */
  public record Dropout(double embedding, double hidden) {}

  /**
   * {@return a builder that has what all families say under the same keys: initializer_range,
   * pad_token_id, tie_word_embeddings}
   *
   * @throws IllegalArgumentException naming file and key of what is wrong
   */
  public static Builder builder(ModelConfig config, DecoderNames names) {
    return new Builder(config, names);
  }

  /**
   * {@return a builder that has what is usual since Llama, under the keys that are: sizes, heads,
   * an RMS norm, rotary positions, a gated feed-forward part} The family says the rest, and what it
   * has otherwise.
   *
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  public static Builder asLlama(ModelConfig config, DecoderNames names) {
    return asLlama(
        config,
        names,
        config.absent("head_dim")
            ? config.size("hidden_size") / config.size("num_attention_heads")
            : config.size("head_dim"));
  }

  /** As {@link #asLlama(ModelConfig, DecoderNames)}, with heads of {@code headDim} elements. */
  public static Builder asLlama(ModelConfig config, DecoderNames names, int headDim) {
    int heads = config.size("num_attention_heads");
    return builder(config, names)
        .layers(config.layers("num_hidden_layers"))
        .hidden(config.size("hidden_size"))
        .heads(heads, config.size("num_key_value_heads", heads), headDim)
        .attentionDropout(config.probability("attention_dropout", 0))
        .intermediate(config.size("intermediate_size"))
        .gated(true)
        .vocabulary(config.size("vocab_size"))
        .maxPositions(config.size("max_position_embeddings"))
        .rmsNorm(config.number("rms_norm_eps", 1e-6));
  }

  @Override
  public String baseName() {
    return names.base;
  }

  @Override
  public String layerName() {
    return names.layer;
  }

  @Override
  public Architecture.Sizes sizes() {
    return new Architecture.Sizes(
        hidden, attention.heads(), attention.keyHeads(), attention.headDim());
  }

  @Override
  public int maxLength() {
    return maxPositions;
  }

  @Override
  public TokenSequence sequence(int[] ids, int[] types) {
    checkLength(ids.length);
    int[] positions = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      positions[i] = i;
    }
    return sequence(ids, types, positions);
  }

  /** As {@link Architecture#unpad}: positions count the padding. */
  @Override
  public TokenSequence unpad(int[] ids, int[] types, int[] mask) {
    int kept = 0;
    for (int real : mask) {
      kept += real == 0 ? 0 : 1;
    }
    checkLength(kept);
    checkLength(ids.length);
    int[] id = new int[kept];
    int[] type = new int[kept];
    int[] position = new int[kept];
    int to = 0;
    for (int i = 0; i < ids.length; i++) {
      if (mask[i] != 0) {
        id[to] = ids[i];
        type[to] = types[i];
        position[to++] = i;
      }
    }
    return sequence(id, type, position);
  }

  private TokenSequence sequence(int[] ids, int[] types, int[] positions) {
    boolean[] visible = new boolean[ids.length];
    Arrays.fill(visible, true);
    return new TokenSequence(ids, types, positions, visible);
  }

  @Override
  public String headName() {
    return DecoderBuilder.SCORE;
  }

  @Override
  public Reading sequenceReading() {
    return Reading.last(padId);
  }

  /** The states do not depend on {@code reading}: they are picked by the final norm. */
  @Override
  public List<Segment> body(Weights weights, Reading reading) {
    return new DecoderBuilder(this, weights).body();
  }

  @Override
  public Segment classifier(Weights weights, int labels) {
    return new DecoderBuilder(this, weights).classifier(labels);
  }

  @Override
  public LanguageModel languageModel(Weights weights) {
    return new DecoderBuilder(this, weights).languageModel();
  }

  /** A spec to be filled in. What is not said here is not there: no bias, no cap, no dropout. */
  public static final class Builder {

    /** Sees everything before it. */
    private static final int NO_WINDOW = Integer.MAX_VALUE;

    private final ModelConfig config;
    private final DecoderNames names;
    private final boolean tied;
    private final double initializerRange;
    private final Integer padId;
    private int layers;
    private int hidden;
    private int intermediate;
    private int vocabulary;
    private int maxPositions;
    private Normalization norm;
    private int heads;
    private int keyHeads;
    private int headDim;
    private boolean headByHead;
    private boolean bias;
    private boolean outputBias;
    private QueryNorm queryNorm = QueryNorm.NONE;
    private IntToDoubleFunction scale;
    private double scoreCap;
    private int window = NO_WINDOW;
    private IntPredicate slides = layer -> true;
    private double attentionDropout;
    private boolean gated;
    private Activation activation;
    private boolean feedForwardBias;
    private IntFunction<Rope> rope = layer -> null;
    private boolean parallel;
    private double embeddingScale = 1;
    private double logitCap;
    private boolean turned;
    private double embeddingDropout;
    private double hiddenDropout;

    private Builder(ModelConfig config, DecoderNames names) {
      this.config = config;
      this.names = names;
      this.tied = config.tiesHead();
      this.initializerRange = config.number("initializer_range", 0.02);
      this.padId =
          config.absent("pad_token_id") ? null : Integer.valueOf(config.integer("pad_token_id"));
    }

    /** How many layers there are. */
    public Builder layers(int count) {
      layers = count;
      return this;
    }

    /** Width of the residual stream. */
    public Builder hidden(int width) {
      hidden = width;
      return this;
    }

    /** Width of the feed-forward part. */
    public Builder intermediate(int width) {
      intermediate = width;
      return this;
    }

    /** Rows of the token embedding. */
    public Builder vocabulary(int size) {
      vocabulary = size;
      return this;
    }

    /** The longest sequence. */
    public Builder maxPositions(int tokens) {
      maxPositions = tokens;
      return this;
    }

    /** All norms are root mean squares, with {@code epsilon} added. */
    public Builder rmsNorm(double epsilon) {
      norm = new Normalization(true, false, epsilon);
      return this;
    }

    /** As {@link #rmsNorm}, with {@code 1 + weight} for the factor. */
    public Builder rmsNormFromOne(double epsilon) {
      norm = new Normalization(true, true, epsilon);
      return this;
    }

    /** All norms take away the mean, and have a bias; {@code epsilon} is added to the variance. */
    public Builder layerNorm(double epsilon) {
      norm = new Normalization(false, false, epsilon);
      return this;
    }

    /**
     * Heads of queries and of keys and values, and a head's elements.
     *
     * @throws IllegalArgumentException if a model cannot have such
     */
    public Builder heads(int queries, int keys, int elements) {
      if (queries % keys != 0) {
        throw config.unsupported(
            "num_key_value_heads", "a divisor of num_attention_heads, " + queries);
      }
      long width = elements * (queries + 2L * keys);
      if (elements < 1 || width > Integer.MAX_VALUE) {
        throw config.wrong(
            "expected heads of at least one element and at most 2^31 - 1 in all; found "
                + queries
                + " heads, "
                + keys
                + " of keys, of "
                + elements
                + " elements");
      }
      heads = queries;
      keyHeads = keys;
      headDim = elements;
      return this;
    }

    /**
     * As many heads of queries as of keys, which share the width; {@link #hidden} has been said.
     *
     * @throws IllegalArgumentException if they cannot
     */
    public Builder heads(int count) {
      return heads(count, count, config.headWidth(hidden, count));
    }

    /** {@return a head's elements} */
    public int headDim() {
      return headDim;
    }

    /** The layer that makes queries, keys and values makes them head by head. */
    public Builder headByHead() {
      headByHead = true;
      return this;
    }

    /** Whether the layers before attention have a bias, and the one after. */
    public Builder attentionBias(boolean before, boolean after) {
      bias = before;
      outputBias = after;
      return this;
    }

    /** Queries and keys are normalized, each head by itself. */
    public Builder headNorm() {
      queryNorm = QueryNorm.BY_HEAD;
      return this;
    }

    /** Queries and keys are normalized, all heads of a token together. */
    public Builder wholeNorm() {
      queryNorm = QueryNorm.WHOLE;
      return this;
    }

    /** The factor on attention's scores, by layer; if not said, 1 / √(a head's elements). */
    public Builder attentionScale(IntToDoubleFunction byLayer) {
      scale = byLayer;
      return this;
    }

    /** Scores are softly held within ± {@code cap}; 0 for no cap. */
    public Builder attentionCap(double cap) {
      scoreCap = cap;
      return this;
    }

    /** In all layers a token sees this many tokens, itself included. */
    public Builder window(int tokens) {
      return window(tokens, layer -> true);
    }

    /** As {@link #window(int)}, in those layers that slide. */
    public Builder window(int tokens, IntPredicate slides) {
      this.window = tokens;
      this.slides = slides;
      return this;
    }

    /** Probability with which attention probabilities are dropped. */
    public Builder attentionDropout(double probability) {
      attentionDropout = probability;
      return this;
    }

    /**
     * Whether {@code activation(gate x) · up x} goes down, rather than {@code activation(up x)}.
     */
    public Builder gated(boolean value) {
      gated = value;
      return this;
    }

    /** What is between up and down. */
    public Builder activation(Activation function) {
      activation = function;
      return this;
    }

    /** Whether the layers of the feed-forward part have a bias. */
    public Builder feedForwardBias(boolean value) {
      feedForwardBias = value;
      return this;
    }

    /** Rotary positions, the same in all layers; if not said, nothing is turned. */
    public Builder rope(Rope positions) {
      return rope(layer -> positions);
    }

    /** Rotary positions by layer; null for one in which nothing is turned. */
    public Builder rope(IntFunction<Rope> byLayer) {
      rope = byLayer;
      return this;
    }

    /** Whether attention and feed-forward read the same input, side by side. */
    public Builder parallel(boolean value) {
      parallel = value;
      return this;
    }

    /** A factor on token embeddings. */
    public Builder embeddingScale(double factor) {
      embeddingScale = factor;
      return this;
    }

    /** Logits are softly held within ± {@code cap}; 0 for no cap. */
    public Builder logitCap(double cap) {
      logitCap = cap;
      return this;
    }

    /** Linear layers are stored as [in, out]. */
    public Builder turned() {
      turned = true;
      return this;
    }

    /** Probabilities with which the embeddings' and each half layer's output are dropped. */
    public Builder dropout(double embedding, double halfLayer) {
      embeddingDropout = embedding;
      hiddenDropout = halfLayer;
      return this;
    }

    /** {@return the spec} */
    public DecoderSpec build() {
      double[] scales = new double[layers];
      int[] windows = new int[layers];
      Rope[] ropes = new Rope[layers];
      for (int i = 0; i < layers; i++) {
        scales[i] = scale == null ? 1 / Math.sqrt(headDim) : scale.applyAsDouble(i);
        windows[i] = slides.test(i) ? window : NO_WINDOW;
        ropes[i] = rope.apply(i);
      }
      Joining joining =
          names.projections.size() > 1
              ? Joining.NONE
              : headByHead ? Joining.BY_HEAD : Joining.WHOLE;
      return new DecoderSpec(
          layers,
          hidden,
          intermediate,
          vocabulary,
          maxPositions,
          norm,
          new Attention(
              heads,
              keyHeads,
              headDim,
              joining,
              bias,
              outputBias,
              queryNorm,
              scales,
              scoreCap,
              windows,
              attentionDropout),
          new FeedForward(gated, gated && names.up.size() == 1, activation, feedForwardBias),
          Collections.unmodifiableList(Arrays.asList(ropes)),
          parallel,
          embeddingScale,
          logitCap,
          tied,
          turned,
          new Dropout(embeddingDropout, hiddenDropout),
          initializerRange,
          padId,
          names);
    }
  }
}
