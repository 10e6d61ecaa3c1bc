package io.peft4j.model.encoder;

import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Activation;
import java.util.List;

/**
 * What distinguishes one encoder family or checkpoint from another, read from {@code config.json}.
 * A new family is a new spec here; {@link EncoderLayer} and the rest run them all.
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
    Names names,
    Head head)
    implements Architecture {

  /** Hugging Face's module names; {@code layer} has a %d, the layer's parts are relative to it. */
  record Names(
      String base,
      String embeddings,
      String layer,
      String query,
      String key,
      String value,
      String attentionOutput,
      String attentionNorm,
      String up,
      String down,
      String outputNorm) {}

  /**
   * @param dense the projection below the logits
   * @param activation after it
   * @param dropoutBefore whether the first token's state is dropped out before {@code dense} too
   * @param dropout probability
   * @param logits the last projection
   * @param inBase whether {@code dense} is part of the base model (BERT's pooler)
   */
  record Head(
      String dense,
      Activation activation,
      boolean dropoutBefore,
      double dropout,
      String logits,
      boolean inBase) {}

  private static final Names BERT =
      new Names(
          "bert",
          "embeddings",
          "encoder.layer.%d",
          "attention.self.query",
          "attention.self.key",
          "attention.self.value",
          "attention.output.dense",
          "attention.output.LayerNorm",
          "intermediate.dense",
          "output.dense",
          "output.LayerNorm");

  private static final Names ROBERTA =
      new Names(
          "roberta",
          BERT.embeddings,
          BERT.layer,
          BERT.query,
          BERT.key,
          BERT.value,
          BERT.attentionOutput,
          BERT.attentionNorm,
          BERT.up,
          BERT.down,
          BERT.outputNorm);

  private static final Names DISTILBERT =
      new Names(
          "distilbert",
          "embeddings",
          "transformer.layer.%d",
          "attention.q_lin",
          "attention.k_lin",
          "attention.v_lin",
          "attention.out_lin",
          "sa_layer_norm",
          "ffn.lin1",
          "ffn.lin2",
          "output_layer_norm");

  public static boolean knows(String modelType) {
    return modelType.equals("bert")
        || modelType.equals("roberta")
        || modelType.equals("distilbert");
  }

  /**
   * @throws IllegalArgumentException naming the key that is missing or not supported
   */
  public static EncoderSpec of(ModelConfig config) {
    config.refuse(
        "is_encoder_decoder",
        "per_layer_config",
        "pruned_heads",
        "is_decoder",
        "add_cross_attention");
    EncoderSpec spec =
        switch (config.modelType()) {
          case "bert" -> bert(config);
          case "roberta" -> roberta(config);
          case "distilbert" -> distilbert(config);
          default -> throw config.unsupported("model_type", "bert, roberta, distilbert");
        };
    if (spec.hidden % spec.heads != 0) {
      throw config.wrong(
          "expected a width that is a multiple of the number of heads; found width "
              + spec.hidden
              + ", "
              + spec.heads
              + " heads");
    }
    return spec;
  }

  private static EncoderSpec bert(ModelConfig config) {
    double classifierDropout = config.probability("classifier_dropout", hiddenDropout(config));
    Head head =
        new Head("pooler.dense", Activation.TANH, false, classifierDropout, "classifier", true);
    return bertLike(config, BERT, head, false);
  }

  private static EncoderSpec roberta(ModelConfig config) {
    double classifierDropout = config.probability("classifier_dropout", hiddenDropout(config));
    Head head =
        new Head(
            "classifier.dense",
            Activation.TANH,
            true,
            classifierDropout,
            "classifier.out_proj",
            false);
    return bertLike(config, ROBERTA, head, true);
  }

  private static double hiddenDropout(ModelConfig config) {
    return config.probability("hidden_dropout_prob", 0.1);
  }

  private static EncoderSpec bertLike(
      ModelConfig config, Names names, Head head, boolean positionsAfterPad) {
    String positions = config.text("position_embedding_type", "absolute");
    if (!positions.equals("absolute")) {
      throw config.unsupported("position_embedding_type", "absolute");
    }
    return new EncoderSpec(
        config.layers("num_hidden_layers"),
        config.size("hidden_size"),
        config.size("num_attention_heads"),
        config.size("intermediate_size"),
        config.size("vocab_size"),
        config.size("max_position_embeddings"),
        config.size("type_vocab_size"),
        config.number("layer_norm_eps", 1e-12),
        config.activation("hidden_act", "gelu"),
        hiddenDropout(config),
        config.probability("attention_probs_dropout_prob", 0.1),
        config.number("initializer_range", 0.02),
        config.integer("pad_token_id", positionsAfterPad ? 1 : 0),
        positionsAfterPad,
        names,
        head);
  }

  private static EncoderSpec distilbert(ModelConfig config) {
    return new EncoderSpec(
        config.layers("n_layers"),
        config.size("dim"),
        config.size("n_heads"),
        config.size("hidden_dim"),
        config.size("vocab_size"),
        config.size("max_position_embeddings"),
        0,
        1e-12,
        config.activation("activation", "gelu"),
        config.probability("dropout", 0.1),
        config.probability("attention_dropout", 0.1),
        config.number("initializer_range", 0.02),
        config.integer("pad_token_id", 0),
        false,
        DISTILBERT,
        new Head(
            "pre_classifier",
            Activation.RELU,
            false,
            config.probability("seq_classif_dropout", 0.2),
            "classifier",
            false));
  }

  @Override
  public String baseName() {
    return names.base();
  }

  @Override
  public String layerName() {
    return names.layer();
  }

  @Override
  public String headName() {
    return head.logits();
  }

  @Override
  public List<Segment> classifier(Weights weights, int labels) {
    return EncoderBuilder.classifier(this, weights, labels);
  }

  /** {@return the longest sequence the position embeddings allow} */
  @Override
  public Architecture.Sizes sizes() {
    return new Architecture.Sizes(hidden, heads, heads, hidden / heads);
  }

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
