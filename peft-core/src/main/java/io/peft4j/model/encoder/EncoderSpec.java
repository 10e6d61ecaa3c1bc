package io.peft4j.model.encoder;

import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Activation;
import java.util.List;

/**
 * What distinguishes one encoder family or checkpoint from another, read from {@code config.json}
 * by an {@link EncoderFamily} and made with a {@link #builder}. {@link EncoderLayer} and the rest
 * run them all.
 *
 * @param layers how many encoder layers
 * @param hidden width of the residual stream
 * @param heads attention heads
 * @param intermediate width of the feed-forward part
 * @param vocabulary rows of the token embedding
 * @param maxPositions rows of the position embedding
 * @param types rows of the token-type embedding; 0 where the family has none
 * @param epsilon of the layer norms
 * @param activation in the feed-forward part
 * @param dropout of hidden states
 * @param attentionDropout of attention probabilities
 * @param initializerRange standard deviation of newly initialized weights
 * @param padId token that pads
 * @param positionsAfterPad whether positions count from {@code padId + 1} over real tokens
 *     (RoBERTa) rather than from 0 over all
 * @param names where the modules are
 * @param head what makes logits of the first token's state
 */
public record EncoderSpec(
    int layers,
    int hidden,
    int heads,
    int intermediate,
    int vocabulary,
    int maxPositions,
    int types,
    double epsilon,
    Activation activation,
    double dropout,
    double attentionDropout,
    double initializerRange,
    int padId,
    boolean positionsAfterPad,
    EncoderNames names,
    Head head)
    implements Architecture {

  /**
   * @param dense the projection below the logits
   * @param activation after it
   * @param dropoutBefore whether the first token's state is dropped out before {@code dense} too
   * @param dropout probability
   * @param logits the last projection
   * @param inBase whether {@code dense} is part of the base model (BERT's pooler)
   */
  public record Head(
      String dense,
      Activation activation,
      boolean dropoutBefore,
      double dropout,
      String logits,
      boolean inBase) {}

  /**
   * {@return a builder that has what all families say under the same keys: vocab_size,
   * max_position_embeddings, initializer_range, pad_token_id}
   *
   * @param padId where the config says that there is none
   * @throws IllegalArgumentException naming file and key of what is wrong
   */
  public static Builder builder(ModelConfig config, EncoderNames names, int padId) {
    return new Builder(config, names, padId);
  }

  /**
   * {@return a builder that has all of a BERT but its head, under the keys that BERT has}
   *
   * @param padId where the config says that there is none
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  public static Builder asBert(ModelConfig config, EncoderNames names, int padId) {
    String positions = config.text("position_embedding_type", "absolute");
    if (!positions.equals("absolute")) {
      throw config.unsupported("position_embedding_type", "absolute");
    }
    return builder(config, names, padId)
        .layers(config.layers("num_hidden_layers"))
        .width(config.size("hidden_size"), config.size("num_attention_heads"))
        .intermediate(config.size("intermediate_size"))
        .types(config.size("type_vocab_size"))
        .epsilon(config.number("layer_norm_eps", 1e-12))
        .activation(config.activation("hidden_act", "gelu"))
        .dropout(
            config.probability("hidden_dropout_prob", 0.1),
            config.probability("attention_probs_dropout_prob", 0.1));
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
  public String headName() {
    return head.logits();
  }

  @Override
  public Reading sequenceReading() {
    return Reading.FIRST;
  }

  @Override
  public List<Segment> body(Weights weights, Reading reading) {
    return new EncoderBuilder(this, weights).body(reading);
  }

  @Override
  public Segment classifier(Weights weights, int labels) {
    return new EncoderBuilder(this, weights).classifier(labels);
  }

  @Override
  public Architecture.Sizes sizes() {
    return new Architecture.Sizes(hidden, heads, heads, hidden / heads);
  }

  /** {@return the longest sequence the position embeddings allow} */
  @Override
  public int maxLength() {
    return positionsAfterPad ? maxPositions - padId - 1 : maxPositions;
  }

  /**
   * One example as the model counts it.
   *
   * @param ids without padding
   * @param types as long as {@code ids}
   */
  @Override
  public TokenSequence sequence(int[] ids, int[] types) {
    checkLength(ids.length);
    int[] positions = new int[ids.length];
    boolean[] visible = new boolean[ids.length];
    for (int i = 0; i < ids.length; i++) {
      positions[i] = positionsAfterPad ? padId + 1 + i : i;
      visible[i] = true;
    }
    return new TokenSequence(ids, types, positions, visible);
  }

  /**
   * One row of a padded batch, padded on either side, with the positions Hugging Face gives it: a
   * left-padded BERT counts the padding, RoBERTa does not. The first token stays even where it is
   * padding, since the classifier reads it.
   */
  @Override
  public TokenSequence unpad(int[] ids, int[] types, int[] mask) {
    return unpad(ids, types, mask, positionsAfterPad);
  }

  /** RoBERTa does not see which vectors are padding, and counts it. */
  @Override
  public TokenSequence unpadVectors(int[] ids, int[] types, int[] mask) {
    return unpad(ids, types, mask, false);
  }

  private TokenSequence unpad(int[] ids, int[] types, int[] mask, boolean padStaysBehind) {
    int first = positionsAfterPad ? padId + 1 : 0;
    checkLength(ids.length);
    int kept = 0;
    for (int i = 0; i < ids.length; i++) {
      kept += i == 0 || mask[i] != 0 ? 1 : 0;
    }
    int[] id = new int[kept];
    int[] type = new int[kept];
    int[] position = new int[kept];
    boolean[] visible = new boolean[kept];
    int to = 0;
    int real = 0;
    for (int i = 0; i < ids.length; i++) {
      real += ids[i] == padId ? 0 : 1;
      if (i > 0 && mask[i] == 0) {
        continue;
      }
      id[to] = ids[i];
      type[to] = types[i];
      position[to] = !padStaysBehind ? first + i : ids[i] == padId ? padId : padId + real;
      visible[to++] = mask[i] != 0;
    }
    return new TokenSequence(id, type, position, visible);
  }

  /** A spec to be filled in. */
  public static final class Builder {

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

    private Builder(ModelConfig config, EncoderNames names, int padId) {
      this.config = config;
      this.names = names;
      this.vocabulary = config.size("vocab_size");
      this.maxPositions = config.size("max_position_embeddings");
      this.initializerRange = config.number("initializer_range", 0.02);
      this.padId = config.integer("pad_token_id", padId);
    }

    /** How many layers there are. */
    public Builder layers(int count) {
      layers = count;
      return this;
    }

    /**
     * Width of the residual stream, and the heads that share it.
     *
     * @throws IllegalArgumentException if they cannot
     */
    public Builder width(int elements, int headCount) {
      config.headWidth(elements, headCount);
      hidden = elements;
      heads = headCount;
      return this;
    }

    /** Width of the feed-forward part. */
    public Builder intermediate(int width) {
      intermediate = width;
      return this;
    }

    /** Rows of the token-type embedding; if not said, there is none. */
    public Builder types(int rows) {
      types = rows;
      return this;
    }

    /** What the norms add to the variance; if not said, 1e-12. */
    public Builder epsilon(double value) {
      epsilon = value;
      return this;
    }

    /** What is in the feed-forward part. */
    public Builder activation(Activation function) {
      activation = function;
      return this;
    }

    /** Probabilities with which hidden states and attention probabilities are dropped. */
    public Builder dropout(double states, double attention) {
      dropout = states;
      attentionDropout = attention;
      return this;
    }

    /** Positions count from {@code pad_token_id + 1}, over tokens that are no padding. */
    public Builder positionsAfterPad() {
      positionsAfterPad = true;
      return this;
    }

    /** The head's last layer, which gives logits, and the probability of dropout before it. */
    public Builder head(String name, double dropoutBefore) {
      logits = name;
      headDropout = dropoutBefore;
      return this;
    }

    /** The layer before that, in the base (BERT's pooler), and what follows it. */
    public Builder headInBase(String name, Activation function) {
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
    public Builder headDense(String name, Activation function, boolean dropoutBeforeToo) {
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
          new Head(dense, headActivation, dropoutBefore, headDropout, logits, denseInBase));
    }
  }
}
