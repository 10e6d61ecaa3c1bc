package io.peft4j.model.encoder;

import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Activation;

/** A spec to be filled in. */
public final class EncoderSpecBuilder {

  private final ModelConfig config;
  private final EncoderNames names;
  private final int vocabulary;
  private final int maxPositions;
  private final double initializerRange;
  private final int padId;
  private int layers;
  private int hidden;
  private int heads;
  private int intermediate;
  private int types;
  private double epsilon = 1e-12;
  private Activation activation;
  private double dropout;
  private double attentionDropout;
  private boolean positionsAfterPad;
  private String dense;
  private Activation headActivation;
  private boolean dropoutBefore;
  private double headDropout;
  private String logits;
  private boolean denseInBase;

  EncoderSpecBuilder(ModelConfig config, EncoderNames names, int padId) {
    this.config = config;
    this.names = names;
    this.vocabulary = config.size("vocab_size");
    this.maxPositions = config.size("max_position_embeddings");
    this.initializerRange = config.number("initializer_range", 0.02);
    this.padId = config.integer("pad_token_id", padId);
  }

  /** How many layers there are. */
  public EncoderSpecBuilder layers(int count) {
    layers = count;
    return this;
  }

  /**
   * Width of the residual stream, and the heads that share it.
   *
   * @throws IllegalArgumentException if they cannot
   */
  public EncoderSpecBuilder width(int elements, int headCount) {
    config.headWidth(elements, headCount);
    hidden = elements;
    heads = headCount;
    return this;
  }

  /** Width of the feed-forward part. */
  public EncoderSpecBuilder intermediate(int width) {
    intermediate = width;
    return this;
  }

  /** Rows of the token-type embedding; if not said, there is none. */
  public EncoderSpecBuilder types(int rows) {
    types = rows;
    return this;
  }

  /** What the norms add to the variance; if not said, 1e-12. */
  public EncoderSpecBuilder epsilon(double value) {
    epsilon = value;
    return this;
  }

  /** What is in the feed-forward part. */
  public EncoderSpecBuilder activation(Activation function) {
    activation = function;
    return this;
  }

  /** Probabilities with which hidden states and attention probabilities are dropped. */
  public EncoderSpecBuilder dropout(double states, double attention) {
    dropout = states;
    attentionDropout = attention;
    return this;
  }

  /** Positions count from {@code pad_token_id + 1}, over tokens that are no padding. */
  public EncoderSpecBuilder positionsAfterPad() {
    positionsAfterPad = true;
    return this;
  }

  /** The head's last layer, which gives logits, and the probability of dropout before it. */
  public EncoderSpecBuilder head(String name, double dropoutBefore) {
    logits = name;
    headDropout = dropoutBefore;
    return this;
  }

  /** The layer before that, in the base (BERT's pooler), and what follows it. */
  public EncoderSpecBuilder headInBase(String name, Activation function) {
    dense = name;
    headActivation = function;
    denseInBase = true;
    return this;
  }

  /**
   * The layer before that, in the head, and what follows it.
   *
   * @param dropoutBeforeToo whether there is dropout before it as well
   */
  public EncoderSpecBuilder headDense(String name, Activation function, boolean dropoutBeforeToo) {
    dense = name;
    headActivation = function;
    dropoutBefore = dropoutBeforeToo;
    return this;
  }

  /** {@return the spec} */
  public EncoderSpec build() {
    return new EncoderSpec(
        layers,
        hidden,
        heads,
        intermediate,
        vocabulary,
        maxPositions,
        types,
        epsilon,
        activation,
        dropout,
        attentionDropout,
        initializerRange,
        padId,
        positionsAfterPad,
        names,
        new EncoderSpec.Head(
            dense, headActivation, dropoutBefore, headDropout, logits, denseInBase));
  }
}
