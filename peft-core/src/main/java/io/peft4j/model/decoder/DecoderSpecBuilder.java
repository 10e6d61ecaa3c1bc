package io.peft4j.model.decoder;

import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Activation;
import java.util.Arrays;
import java.util.Collections;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.function.IntToDoubleFunction;

/** A spec to be filled in. What is not said here is not there: no bias, no cap, no dropout. */
public final class DecoderSpecBuilder {

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
  private DecoderSpec.Normalization norm;
  private int heads;
  private int keyHeads;
  private int headDim;
  private boolean headByHead;
  private boolean bias;
  private boolean outputBias;
  private DecoderSpec.QueryNorm queryNorm = DecoderSpec.QueryNorm.NONE;
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

  DecoderSpecBuilder(ModelConfig config, DecoderNames names) {
    this.config = config;
    this.names = names;
    this.tied = config.tiesHead();
    this.initializerRange = config.number("initializer_range", 0.02);
    this.padId =
        config.absent("pad_token_id") ? null : Integer.valueOf(config.integer("pad_token_id"));
  }

  /** How many layers there are. */
  public DecoderSpecBuilder layers(int count) {
    layers = count;
    return this;
  }

  /** Width of the residual stream. */
  public DecoderSpecBuilder hidden(int width) {
    hidden = width;
    return this;
  }

  /** Width of the feed-forward part. */
  public DecoderSpecBuilder intermediate(int width) {
    intermediate = width;
    return this;
  }

  /** Rows of the token embedding. */
  public DecoderSpecBuilder vocabulary(int size) {
    vocabulary = size;
    return this;
  }

  /** The longest sequence. */
  public DecoderSpecBuilder maxPositions(int tokens) {
    maxPositions = tokens;
    return this;
  }

  /** All norms are root mean squares, with {@code epsilon} added. */
  public DecoderSpecBuilder rmsNorm(double epsilon) {
    norm = new DecoderSpec.Normalization(true, false, epsilon);
    return this;
  }

  /** As {@link #rmsNorm}, with {@code 1 + weight} for the factor. */
  public DecoderSpecBuilder rmsNormFromOne(double epsilon) {
    norm = new DecoderSpec.Normalization(true, true, epsilon);
    return this;
  }

  /** All norms take away the mean, and have a bias; {@code epsilon} is added to the variance. */
  public DecoderSpecBuilder layerNorm(double epsilon) {
    norm = new DecoderSpec.Normalization(false, false, epsilon);
    return this;
  }

  /**
   * Heads of queries and of keys and values, and a head's elements.
   *
   * @throws IllegalArgumentException if a model cannot have such
   */
  public DecoderSpecBuilder heads(int queries, int keys, int elements) {
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
  public DecoderSpecBuilder heads(int count) {
    return heads(count, count, config.headWidth(hidden, count));
  }

  /** {@return a head's elements} */
  public int headDim() {
    return headDim;
  }

  /** The layer that makes queries, keys and values makes them head by head. */
  public DecoderSpecBuilder headByHead() {
    headByHead = true;
    return this;
  }

  /** Whether the layers before attention have a bias, and the one after. */
  public DecoderSpecBuilder attentionBias(boolean before, boolean after) {
    bias = before;
    outputBias = after;
    return this;
  }

  /** Queries and keys are normalized, each head by itself. */
  public DecoderSpecBuilder headNorm() {
    queryNorm = DecoderSpec.QueryNorm.BY_HEAD;
    return this;
  }

  /** Queries and keys are normalized, all heads of a token together. */
  public DecoderSpecBuilder wholeNorm() {
    queryNorm = DecoderSpec.QueryNorm.WHOLE;
    return this;
  }

  /** The factor on attention's scores, by layer; if not said, 1 / √(a head's elements). */
  public DecoderSpecBuilder attentionScale(IntToDoubleFunction byLayer) {
    scale = byLayer;
    return this;
  }

  /** Scores are softly held within ± {@code cap}; 0 for no cap. */
  public DecoderSpecBuilder attentionCap(double cap) {
    scoreCap = cap;
    return this;
  }

  /** In all layers a token sees this many tokens, itself included. */
  public DecoderSpecBuilder window(int tokens) {
    return window(tokens, layer -> true);
  }

  /** As {@link #window(int)}, in those layers that slide. */
  public DecoderSpecBuilder window(int tokens, IntPredicate slides) {
    this.window = tokens;
    this.slides = slides;
    return this;
  }

  /** Probability with which attention probabilities are dropped. */
  public DecoderSpecBuilder attentionDropout(double probability) {
    attentionDropout = probability;
    return this;
  }

  /** Whether {@code activation(gate x) · up x} goes down, rather than {@code activation(up x)}. */
  public DecoderSpecBuilder gated(boolean value) {
    gated = value;
    return this;
  }

  /** What is between up and down. */
  public DecoderSpecBuilder activation(Activation function) {
    activation = function;
    return this;
  }

  /** Whether the layers of the feed-forward part have a bias. */
  public DecoderSpecBuilder feedForwardBias(boolean value) {
    feedForwardBias = value;
    return this;
  }

  /** Rotary positions, the same in all layers; if not said, nothing is turned. */
  public DecoderSpecBuilder rope(Rope positions) {
    return rope(layer -> positions);
  }

  /** Rotary positions by layer; null for one in which nothing is turned. */
  public DecoderSpecBuilder rope(IntFunction<Rope> byLayer) {
    rope = byLayer;
    return this;
  }

  /** Whether attention and feed-forward read the same input, side by side. */
  public DecoderSpecBuilder parallel(boolean value) {
    parallel = value;
    return this;
  }

  /** A factor on token embeddings. */
  public DecoderSpecBuilder embeddingScale(double factor) {
    embeddingScale = factor;
    return this;
  }

  /** Logits are softly held within ± {@code cap}; 0 for no cap. */
  public DecoderSpecBuilder logitCap(double cap) {
    logitCap = cap;
    return this;
  }

  /** Linear layers are stored as [in, out]. */
  public DecoderSpecBuilder turned() {
    turned = true;
    return this;
  }

  /** Probabilities with which the embeddings' and each half layer's output are dropped. */
  public DecoderSpecBuilder dropout(double embedding, double halfLayer) {
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
    DecoderSpec.Joining joining =
        names.projections.size() > 1
            ? DecoderSpec.Joining.NONE
            : headByHead ? DecoderSpec.Joining.BY_HEAD : DecoderSpec.Joining.WHOLE;
    return new DecoderSpec(
        layers,
        hidden,
        intermediate,
        vocabulary,
        maxPositions,
        norm,
        new DecoderSpec.Attention(
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
        new DecoderSpec.FeedForward(
            gated, gated && names.up.size() == 1, activation, feedForwardBias),
        Collections.unmodifiableList(Arrays.asList(ropes)),
        parallel,
        embeddingScale,
        logitCap,
        tied,
        turned,
        new DecoderSpec.Dropout(embeddingDropout, hiddenDropout),
        initializerRange,
        padId,
        names);
  }
}
