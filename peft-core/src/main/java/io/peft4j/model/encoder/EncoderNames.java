package io.peft4j.model.encoder;

/** Hugging Face's names of an encoder's modules. A layer's are relative to it. */
public final class EncoderNames {

  final String base;
  final String embeddings;
  final String layer;
  final String query;
  final String key;
  final String value;
  final String attentionOutput;
  final String attentionNorm;
  final String up;
  final String down;
  final String outputNorm;

  private EncoderNames(Builder builder) {
    base = builder.base;
    embeddings = builder.embeddings;
    layer = builder.layer;
    query = builder.query;
    key = builder.key;
    value = builder.value;
    attentionOutput = builder.attentionOutput;
    attentionNorm = builder.attentionNorm;
    up = builder.up;
    down = builder.down;
    outputNorm = builder.outputNorm;
  }

  /**
   * {@return a builder that has BERT's}
   *
   * @param base first part of all but the head
   */
  public static Builder builder(String base) {
    return new Builder(base);
  }

  /** Names to be changed. */
  public static final class Builder {

    private final String base;
    private String embeddings = "embeddings";
    private String layer = "encoder.layer.%d";
    private String query = "attention.self.query";
    private String key = "attention.self.key";
    private String value = "attention.self.value";
    private String attentionOutput = "attention.output.dense";
    private String attentionNorm = "attention.output.LayerNorm";
    private String up = "intermediate.dense";
    private String down = "output.dense";
    private String outputNorm = "output.LayerNorm";

    private Builder(String base) {
      this.base = base;
    }

    /** What holds the embeddings, in the base. */
    public Builder embeddings(String name) {
      embeddings = name;
      return this;
    }

    /** A layer, in the base, with a %d for its number. */
    public Builder layer(String name) {
      layer = name;
      return this;
    }

    /** What makes queries, keys and values. */
    public Builder projections(String queries, String keys, String values) {
      query = queries;
      key = keys;
      value = values;
      return this;
    }

    /** The last layer of attention, and the norm after it. */
    public Builder attentionOutput(String linear, String norm) {
      attentionOutput = linear;
      attentionNorm = norm;
      return this;
    }

    /** The layers of the feed-forward part, and the norm after it. */
    public Builder feedForward(String first, String last, String norm) {
      up = first;
      down = last;
      outputNorm = norm;
      return this;
    }

    /** {@return the names} */
    public EncoderNames build() {
      return new EncoderNames(this);
    }
  }
}
