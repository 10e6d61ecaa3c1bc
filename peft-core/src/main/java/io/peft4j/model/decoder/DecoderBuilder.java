package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.head.LanguageModelHead;
import io.peft4j.model.load.StoredNames;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.DenseProjection;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Junction;
import io.peft4j.model.module.LayerNorm;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.RmsNorm;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Puts a decoder together from a spec and weights. */
final class DecoderBuilder {

  /** A sequence classifier's head. */
  static final String SCORE = "score";

  private final DecoderSpec spec;
  private final DecoderNames names;
  private final Weights weights;
  private final String base;
  private final NDArray epsilon;

  DecoderBuilder(DecoderSpec spec, Weights weights) {
    this.spec = spec;
    this.names = spec.names();
    this.weights = weights;
    this.base = names.base + ".";
    this.epsilon = weights.constant(spec.norm().epsilon());
  }

  /** {@return embeddings, layers and final norm} */
  List<Segment> body() {
    return body(words());
  }

  Segment classifier(int labels) {
    Parameter weight = weights.getOrDraw(SCORE + ".weight", labels, spec.hidden());
    return new ScoreHead(new Linear(SCORE, new DenseProjection(weight, null)));
  }

  Architecture.LanguageModel languageModel() {
    if (spec.tied()) {
      weights.tieHead(names.table());
    }
    Embedding words = words();
    Parameter weight =
        spec.tied()
            ? new Parameter(StoredNames.HEAD, words.weight())
            : weights.get(StoredNames.HEAD, spec.vocabulary(), spec.hidden());
    Linear head = new Linear("lm_head", new DenseProjection(weight, null));
    NDArray cap = spec.logitCap() == 0 ? null : weights.constant(spec.logitCap());
    return new Architecture.LanguageModel(body(words), new LanguageModelHead(head, cap));
  }

  private Embedding words() {
    NDArray scale =
        spec.embeddingScale() == 1 ? null : weights.typedConstant(spec.embeddingScale());
    return embedding(names.embedding, spec.vocabulary(), scale, spec.tied());
  }

  private List<Segment> body(Embedding words) {
    List<Segment> segments = new ArrayList<>();
    Embedding positions =
        names.positions == null
            ? null
            : embedding(names.positions, spec.maxPositions(), null, true);
    segments.add(new DecoderEmbeddings(words, positions, spec.dropout().embedding()));
    DecoderSpec.Attention attention = spec.attention();
    int width = attention.heads() * attention.headDim();
    int keyWidth = attention.keyHeads() * attention.headDim();
    NDArray heads = weights.constant(attention.heads());
    NDArray keyHeads = weights.constant(attention.keyHeads());
    NDArray sizes = weights.constants(new long[] {width, keyWidth, keyWidth});
    NDArray cap = attention.cap() == 0 ? null : weights.constant(attention.cap());
    Map<Rope, RotaryPositions> rotary = new HashMap<>();
    for (int i = 0; i < spec.layers(); i++) {
      NDArray scale0 = weights.constant(attention.scales()[i]);
      SelfAttention.Constants constants =
          new SelfAttention.Constants(
              heads, keyHeads, sizes, scale0, cap, rotary(spec.ropes().get(i), rotary));
      segments.add(layer(base + String.format(Locale.ROOT, names.layer, i) + ".", constants, i));
    }
    segments.add(new FinalNorm(norm(base + names.finalNorm, spec.hidden())));
    return segments;
  }

  /** Layers with the same frequencies share their angles. */
  private RotaryPositions rotary(Rope rope, Map<Rope, RotaryPositions> known) {
    return rope == null ? null : known.computeIfAbsent(rope, this::rotary);
  }

  private RotaryPositions rotary(Rope rope) {
    float[] frequencies = rope.frequencies();
    boolean whole = 2 * frequencies.length == spec.attention().headDim();
    return new RotaryPositions(weights.constants(frequencies), whole);
  }

  private Segment layer(String at, SelfAttention.Constants constants, int index) {
    int hidden = spec.hidden();
    SelfAttention attention = attention(at, constants, index);
    DecoderSpec.FeedForward feedForward = spec.feedForward();
    List<Linear> up = new ArrayList<>();
    for (String name : names.up) {
      int out = spec.intermediate() * (feedForward.joined() ? 2 : 1);
      up.add(linear(at + name, out, hidden, feedForward.bias()));
    }
    Linear down = linear(at + names.down, hidden, spec.intermediate(), feedForward.bias());
    DecoderLayer.Parts parts =
        new DecoderLayer.Parts(
            norm(at, names.beforeAttention, hidden),
            attention,
            norm(at, names.afterAttention, hidden),
            norm(at, names.beforeFeedForward, hidden),
            new Mlp(up, down, feedForward),
            norm(at, names.afterFeedForward, hidden));
    LayerSites sites =
        new LayerSites(
            index,
            new Junction(at + "attention_adapters", null),
            new Junction(at + "output_adapters", null));
    return new DecoderLayer(parts, spec, sites);
  }

  private SelfAttention attention(String at, SelfAttention.Constants constants, int index) {
    DecoderSpec.Attention attention = spec.attention();
    int width = attention.heads() * attention.headDim();
    int keyWidth = attention.keyHeads() * attention.headDim();
    List<Linear> projections = new ArrayList<>();
    int[] widths =
        names.projections.size() == 1
            ? new int[] {width + 2 * keyWidth}
            : new int[] {width, keyWidth, keyWidth};
    for (int i = 0; i < widths.length; i++) {
      String name = at + names.projections.get(i);
      projections.add(linear(name, widths[i], spec.hidden(), attention.bias()));
    }
    boolean normed = attention.norm() != DecoderSpec.QueryNorm.NONE;
    boolean whole = attention.norm() == DecoderSpec.QueryNorm.WHOLE;
    SelfAttention.Parts parts =
        new SelfAttention.Parts(
            projections,
            normed ? norm(at + names.queryNorm, whole ? width : attention.headDim()) : null,
            normed ? norm(at + names.keyNorm, whole ? keyWidth : attention.headDim()) : null,
            linear(at + names.attentionOutput, spec.hidden(), width, attention.outputBias()));
    return new SelfAttention(parts, spec, constants, index);
  }

  /**
   * @param readWhole whether a step reads all of its rows
   */
  private Embedding embedding(String name, int rows, NDArray scale, boolean readWhole) {
    String table = base + name + ".weight";
    Parameter weight = weights.get(table, rows, spec.hidden());
    Runnable forget = readWhole ? () -> {} : weights.forgetting(table);
    return new Embedding(base + name, weight, scale, forget);
  }

  /** In a layer; null where it has no name. */
  private Norm norm(String at, String name, int size) {
    return name == null ? null : norm(at + name, size);
  }

  private Norm norm(String name, int size) {
    Parameter weight = weights.get(name + ".weight", size);
    return spec.norm().rms()
        ? new RmsNorm(name, weight, epsilon, spec.norm().offset())
        : new LayerNorm(name, weight, weights.get(name + ".bias", size), spec.norm().epsilon());
  }

  private Linear linear(String name, int out, int in, boolean bias) {
    return weights.linear(name, out, in, bias, spec.turned());
  }
}
