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
 */
public final class EncoderSpec implements Architecture {

  private final int layers;
  private final int hidden;
  private final int heads;
  private final int intermediate;
  private final int vocabulary;
  private final int maxPositions;
  private final int types;
  private final double epsilon;
  private final Activation activation;
  private final double dropout;
  private final double attentionDropout;
  private final double initializerRange;
  private final int padId;
  private final boolean positionsAfterPad;
  private final EncoderNames names;
  private final Head head;

  EncoderSpec(
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
      Head head) {
    this.layers = layers;
    this.hidden = hidden;
    this.heads = heads;
    this.intermediate = intermediate;
    this.vocabulary = vocabulary;
    this.maxPositions = maxPositions;
    this.types = types;
    this.epsilon = epsilon;
    this.activation = activation;
    this.dropout = dropout;
    this.attentionDropout = attentionDropout;
    this.initializerRange = initializerRange;
    this.padId = padId;
    this.positionsAfterPad = positionsAfterPad;
    this.names = names;
    this.head = head;
  }

  /** {@return how many encoder layers} */
  public int layers() {
    return layers;
  }

  /** {@return width of the residual stream} */
  public int hidden() {
    return hidden;
  }

  /** {@return attention heads} */
  public int heads() {
    return heads;
  }

  /** {@return width of the feed-forward part} */
  public int intermediate() {
    return intermediate;
  }

  /** {@return rows of the token embedding} */
  public int vocabulary() {
    return vocabulary;
  }

  /** {@return rows of the position embedding} */
  public int maxPositions() {
    return maxPositions;
  }

  /** {@return rows of the token-type embedding; 0 where the family has none} */
  public int types() {
    return types;
  }

  /** {@return of the layer norms} */
  public double epsilon() {
    return epsilon;
  }

  /** {@return in the feed-forward part} */
  public Activation activation() {
    return activation;
  }

  /** {@return of hidden states} */
  public double dropout() {
    return dropout;
  }

  /** {@return of attention probabilities} */
  public double attentionDropout() {
    return attentionDropout;
  }

  /** {@return standard deviation of newly initialized weights} */
  public double initializerRange() {
    return initializerRange;
  }

  /** {@return token that pads} */
  public int padId() {
    return padId;
  }

  /**
   * {@return whether positions count from {@code padId + 1} over real tokens (RoBERTa) rather than
   * from 0 over all}
   */
  public boolean positionsAfterPad() {
    return positionsAfterPad;
  }

  /** {@return where the modules are} */
  public EncoderNames names() {
    return names;
  }

  /** {@return what makes logits of the first token's state} */
  public Head head() {
    return head;
  }

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
  public static EncoderSpecBuilder builder(ModelConfig config, EncoderNames names, int padId) {
    return new EncoderSpecBuilder(config, names, padId);
  }

  /**
   * {@return a builder that has all of a BERT but its head, under the keys that BERT has}
   *
   * @param padId where the config says that there is none
   * @throws IllegalArgumentException naming file and key of what is missing or not supported
   */
  public static EncoderSpecBuilder asBert(ModelConfig config, EncoderNames names, int padId) {
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
}
