package io.peft4j.model.encoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Junction;
import io.peft4j.model.module.LayerNorm;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Norm;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Puts an encoder, and a sequence classifier's head, together from a spec and weights. */
final class EncoderBuilder {

  private final EncoderSpec spec;
  private final Weights weights;
  private final String base;

  EncoderBuilder(EncoderSpec spec, Weights weights) {
    this.spec = spec;
    this.weights = weights;
    this.base = spec.names().base + ".";
  }

  /**
   * {@return embeddings and layers}
   *
   * @param reading which tokens' states the last layer gives
   */
  List<Segment> body(Reading reading) {
    List<Segment> segments = new ArrayList<>();
    segments.add(embeddings());
    NDArray heads = weights.constant(spec.heads());
    for (int i = 0; i < spec.layers(); i++) {
      String at = base + String.format(Locale.ROOT, spec.names().layer, i) + ".";
      segments.add(layer(at, heads, i, i == spec.layers() - 1 ? reading : null));
    }
    return segments;
  }

  Segment classifier(int labels) {
    EncoderSpec.Head head = spec.head();
    Linear dense =
        weights.linearOrNew(
            (head.inBase() ? base : "") + head.dense(), spec.hidden(), spec.hidden());
    Linear logits = weights.linearOrNew(head.logits(), labels, spec.hidden());
    return new ClassifierHead(dense, logits, head);
  }

  private Segment embeddings() {
    String at = base + spec.names().embeddings + ".";
    return new EncoderEmbeddings(
        embedding(at + "word_embeddings", spec.vocabulary()),
        embedding(at + "position_embeddings", spec.maxPositions()),
        spec.types() == 0 ? null : embedding(at + "token_type_embeddings", spec.types()),
        norm(at + "LayerNorm"),
        spec.dropout());
  }

  /**
   * @param reading which tokens' states it gives; null for all, as the next layer takes them
   */
  private Segment layer(String at, NDArray heads, int index, Reading reading) {
    EncoderNames names = spec.names();
    int hidden = spec.hidden();
    EncoderLayer.Parts parts =
        new EncoderLayer.Parts(
            linear(at + names.query, hidden, hidden),
            linear(at + names.key, hidden, hidden),
            linear(at + names.value, hidden, hidden),
            linear(at + names.attentionOutput, hidden, hidden),
            norm(at + names.attentionNorm),
            linear(at + names.up, spec.intermediate(), hidden),
            linear(at + names.down, hidden, spec.intermediate()),
            norm(at + names.outputNorm));
    LayerSites sites =
        new LayerSites(
            index,
            junction(at, names.attentionNorm, "attention_adapters", parts.attentionNorm()),
            junction(at, names.outputNorm, "output_adapters", parts.outputNorm()));
    return new EncoderLayer(parts, spec, heads, sites, reading);
  }

  /** In the adapters library, BERT's is the module that holds the norm. */
  private static Junction junction(String at, String norm, String otherwise, Norm module) {
    boolean held = norm.endsWith(".LayerNorm");
    return new Junction(at + (held ? norm.substring(0, norm.lastIndexOf('.')) : otherwise), module);
  }

  private Embedding embedding(String name, int rows) {
    return new Embedding(name, weights.get(name + ".weight", rows, spec.hidden()));
  }

  private LayerNorm norm(String name) {
    return new LayerNorm(
        name,
        weights.get(name + ".weight", spec.hidden()),
        weights.get(name + ".bias", spec.hidden()),
        spec.epsilon());
  }

  private Linear linear(String name, int out, int in) {
    return weights.linear(name, out, in, true, false);
  }
}
