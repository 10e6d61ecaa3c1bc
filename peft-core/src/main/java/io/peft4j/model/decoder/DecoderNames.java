package io.peft4j.model.decoder;

import java.util.List;

/**
 * Hugging Face's names of a decoder's modules. A layer's are relative to it. Where a module has no
 * name, the family does without.
 */
public final class DecoderNames {

  final String base;
  final String embedding;
  final String positions;
  final String layer;
  final String beforeAttention;
  final List<String> projections;
  final String queryNorm;
  final String keyNorm;
  final String attentionOutput;
  final String afterAttention;
  final String beforeFeedForward;
  final List<String> up;
  final String down;
  final String afterFeedForward;
  final String finalNorm;

  private DecoderNames(Builder builder) {
    base = builder.base;
    embedding = builder.embedding;
    positions = builder.positions;
    layer = builder.layer;
    beforeAttention = builder.beforeAttention;
    projections = builder.projections;
    queryNorm = builder.queryNorm;
    keyNorm = builder.keyNorm;
    attentionOutput = builder.attentionOutput;
    afterAttention = builder.afterAttention;
    beforeFeedForward = builder.beforeFeedForward;
    up = builder.up;
    down = builder.down;
    afterFeedForward = builder.afterFeedForward;
    finalNorm = builder.finalNorm;
  }

  /** {@return a builder that has Llama's} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return the tensor of the token embedding} */
  String table() {
    return base + "." + embedding + ".weight";
  }

  /** Names to be changed. */
  public static final class Builder {

    private String base = "model";
    private String embedding = "embed_tokens";
    private String positions;
    private String layer = "layers.%d";
    private String beforeAttention = "input_layernorm";
    private List<String> projections =
        List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj");
    private String queryNorm = "self_attn.q_norm";
    private String keyNorm = "self_attn.k_norm";
    private String attentionOutput = "self_attn.o_proj";
    private String afterAttention;
    private String beforeFeedForward = "post_attention_layernorm";
    private List<String> up = List.of("mlp.gate_proj", "mlp.up_proj");
    private String down = "mlp.down_proj";
    private String afterFeedForward;
    private String finalNorm = "norm";

    private Builder() {}

    /** First part of all but the head. */
    public Builder base(String name) {
      base = name;
      return this;
    }

    /** The token embedding, in the base. */
    public Builder embedding(String name) {
      embedding = name;
      return this;
    }

    /** Learned positions, in the base; null, as at first, for none. */
    public Builder positions(String name) {
      positions = name;
      return this;
    }

    /** A layer, in the base, with a %d for its number. */
    public Builder layer(String name) {
      layer = name;
      return this;
    }

    /** The norm of what attention reads; null for none. */
    public Builder beforeAttention(String name) {
      beforeAttention = name;
      return this;
    }

    /** What makes queries, keys and values: three, or one that makes all. */
    public Builder projections(String... names) {
      projections = List.of(names);
      return this;
    }

    /** The norms of queries and of keys, for a spec that has them. */
    public Builder queryNorms(String queries, String keys) {
      queryNorm = queries;
      keyNorm = keys;
      return this;
    }

    /** The last layer of attention. */
    public Builder attentionOutput(String name) {
      attentionOutput = name;
      return this;
    }

    /** The norm of what attention gives; null, as at first, for none. */
    public Builder afterAttention(String name) {
      afterAttention = name;
      return this;
    }

    /** The norm of what the feed-forward part reads; null for none. */
    public Builder beforeFeedForward(String name) {
      beforeFeedForward = name;
      return this;
    }

    /** The first layers of the feed-forward part: up; gate and up; or one that makes both. */
    public Builder up(String... names) {
      up = List.of(names);
      return this;
    }

    /** The last layer of the feed-forward part. */
    public Builder down(String name) {
      down = name;
      return this;
    }

    /** The norm of what the feed-forward part gives; null, as at first, for none. */
    public Builder afterFeedForward(String name) {
      afterFeedForward = name;
      return this;
    }

    /** The norm of what the head reads, in the base. */
    public Builder finalNorm(String name) {
      finalNorm = name;
      return this;
    }

    /** {@return the names} */
    public DecoderNames build() {
      return new DecoderNames(this);
    }
  }
}
