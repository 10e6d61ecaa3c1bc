package io.peft4j.model.decoder;

import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Activation;
import java.util.Arrays;
import java.util.List;

/**
 * What distinguishes one decoder family or checkpoint from another, read from {@code config.json}
 * by a {@link DecoderFamily} and made with a {@link #builder}. {@link DecoderLayer} and the rest
 * run them all.
 */
public final class DecoderSpec implements Architecture {

  private final int layers;
  private final int hidden;
  private final int intermediate;
  private final int vocabulary;
  private final int maxPositions;
  private final Normalization norm;
  private final Attention attention;
  private final FeedForward feedForward;
  private final List<Rope> ropes;
  private final boolean parallel;
  private final double embeddingScale;
  private final double logitCap;
  private final boolean tied;
  private final boolean turned;
  private final Dropout dropout;
  private final double initializerRange;
  private final Integer padId;
  private final DecoderNames names;

  DecoderSpec(
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
      DecoderNames names) {
    this.layers = layers;
    this.hidden = hidden;
    this.intermediate = intermediate;
    this.vocabulary = vocabulary;
    this.maxPositions = maxPositions;
    this.norm = norm;
    this.attention = attention;
    this.feedForward = feedForward;
    this.ropes = ropes;
    this.parallel = parallel;
    this.embeddingScale = embeddingScale;
    this.logitCap = logitCap;
    this.tied = tied;
    this.turned = turned;
    this.dropout = dropout;
    this.initializerRange = initializerRange;
    this.padId = padId;
    this.names = names;
  }

  /** {@return how many decoder layers} */
  public int layers() {
    return layers;
  }

  /** {@return width of the residual stream} */
  public int hidden() {
    return hidden;
  }

  /** {@return width of the feed-forward part} */
  public int intermediate() {
    return intermediate;
  }

  /** {@return rows of the token embedding} */
  public int vocabulary() {
    return vocabulary;
  }

  /** {@return longest sequence} */
  public int maxPositions() {
    return maxPositions;
  }

  /** {@return kind of all normalizations} */
  public Normalization norm() {
    return norm;
  }

  /** {@return heads and what is done to them} */
  public Attention attention() {
    return attention;
  }

  /** {@return the other half of a layer} */
  public FeedForward feedForward() {
    return feedForward;
  }

  /** {@return rotary positions, by layer; null where nothing is turned} */
  public List<Rope> ropes() {
    return ropes;
  }

  /** {@return whether attention and feed-forward read the same input, side by side} */
  public boolean parallel() {
    return parallel;
  }

  /** {@return factor on token embeddings} */
  public double embeddingScale() {
    return embeddingScale;
  }

  /** {@return logits are softly held within ± it; 0 for no cap} */
  public double logitCap() {
    return logitCap;
  }

  /** {@return whether the head's weight is the token embedding} */
  public boolean tied() {
    return tied;
  }

  /** {@return whether linear layers are stored as [in, out]} */
  public boolean turned() {
    return turned;
  }

  /** {@return of the embeddings' and of each half layer's output} */
  public Dropout dropout() {
    return dropout;
  }

  /** {@return standard deviation of newly initialized weights} */
  public double initializerRange() {
    return initializerRange;
  }

  /** {@return token that pads, which a classifier does not read; null where there is none} */
  public Integer padId() {
    return padId;
  }

  /** {@return where the modules are} */
  public DecoderNames names() {
    return names;
  }

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
  public static DecoderSpecBuilder builder(ModelConfig config, DecoderNames names) {
    return new DecoderSpecBuilder(config, names);
  }

  /**
   * {@return a builder that has what is usual since Llama, under the keys that are: sizes, heads,
   * an RMS norm, rotary positions, a gated feed-forward part} The family says the rest, and what it
   * has otherwise.
   *
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  public static DecoderSpecBuilder asLlama(ModelConfig config, DecoderNames names) {
    return asLlama(
        config,
        names,
        config.absent("head_dim")
            ? config.size("hidden_size") / config.size("num_attention_heads")
            : config.size("head_dim"));
  }

  /** As {@link #asLlama(ModelConfig, DecoderNames)}, with heads of {@code headDim} elements. */
  public static DecoderSpecBuilder asLlama(ModelConfig config, DecoderNames names, int headDim) {
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
}
