package io.peft4j.model.decoder;

import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Activation;
import java.util.Arrays;
import java.util.List;

/**
 * What distinguishes one decoder family or checkpoint from another, read from {@code config.json}
 * by {@link DecoderFamilies}. {@link DecoderLayer} and the rest run them all.
 *
 * @param layers how many decoder layers
 * @param hidden width of the residual stream
 * @param intermediate width of the feed-forward part
 * @param vocabulary rows of the token embedding
 * @param maxPositions longest sequence
 * @param norm kind of all normalizations
 * @param attention heads and what is done to them
 * @param feedForward the other half of a layer
 * @param rope rotary positions; null where positions are learned
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
    Rope rope,
    boolean parallel,
    double embeddingScale,
    double logitCap,
    boolean tied,
    boolean turned,
    Dropout dropout,
    double initializerRange,
    Integer padId,
    Names names)
    implements Architecture {

  /**
   * @param rms root mean square without mean and bias, rather than layer normalization
   * @param offset whether {@code 1 + weight} is the factor
   * @param epsilon added to the variance
   */
  record Normalization(boolean rms, boolean offset, double epsilon) {}

  /** How queries, keys and values come out of linear layers. */
  enum Joining {
    /** Three layers. */
    NONE,
    /** One layer: all queries, all keys, all values. */
    WHOLE,
    /** One layer: head by head, its query, key and value. */
    BY_HEAD
  }

  /**
   * @param heads query heads
   * @param keyHeads key and value heads, each shared by {@code heads / keyHeads} query heads
   * @param headDim elements of a head
   * @param joining how many layers make q, k and v
   * @param bias whether those have a bias
   * @param outputBias whether the layer after has
   * @param headNorm whether each query and key is normalized
   * @param scales factor on the scores, by layer
   * @param cap scores are softly held within ± it; 0 for no cap
   * @param windows how many tokens a token sees, itself included, by layer
   * @param dropout probability with which attention probabilities are dropped
   */
  record Attention(
      int heads,
      int keyHeads,
      int headDim,
      Joining joining,
      boolean bias,
      boolean outputBias,
      boolean headNorm,
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
  record FeedForward(boolean gated, boolean joined, Activation activation, boolean bias) {}

  /** Probabilities, for embeddings and each half layer's output. */
  record Dropout(double embedding, double hidden) {}

  /**
   * Hugging Face's module names; {@code layer} has a %d, the layer's parts are relative to it.
   *
   * @param base first part of all but the head
   * @param positions learned positions, or null
   * @param projections of q, k and v, one or three
   * @param up of up, of gate and up, or of both joined
   * @param afterAttention a norm on what attention gives, or null
   * @param afterFeedForward likewise
   */
  record Names(
      String base,
      String embedding,
      String positions,
      String layer,
      String beforeAttention,
      List<String> projections,
      String attentionOutput,
      String afterAttention,
      String beforeFeedForward,
      List<String> up,
      String down,
      String afterFeedForward,
      String finalNorm) {

    /** {@return the tensor of the token embedding} */
    String table() {
      return base + "." + embedding + ".weight";
    }
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
    int last = ids.length - 1;
    while (padId != null && last > 0 && ids[last] == padId) {
      last--;
    }
    return new TokenSequence(ids, types, positions, visible, last, null);
  }

  @Override
  public String headName() {
    return DecoderBuilder.SCORE;
  }

  @Override
  public List<Segment> classifier(Weights weights, int labels) {
    return new DecoderBuilder(this, weights).classifier(labels);
  }
}
