package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.PrefixGates;
import io.peft4j.torch.AttentionOps;
import java.util.ArrayList;
import java.util.List;

/**
 * Causal self-attention with query heads that may share key heads: x [rows, length, hidden] to the
 * same shape.
 */
final class SelfAttention {

  /**
   * The modules, by role.
   *
   * @param projections one or three linear layers
   * @param queryNorm of each query head, or of all of a token's; or null
   * @param keyNorm likewise
   */
  record Parts(List<Linear> projections, Norm queryNorm, Norm keyNorm, Linear output) {}

  /**
   * 0-d constants and the like, which live as long as the model.
   *
   * @param sizes int64 [3], widths of q, k and v
   * @param cap null for none
   * @param rotary null where nothing is turned
   */
  record Constants(
      NDArray heads,
      NDArray keyHeads,
      NDArray sizes,
      NDArray scale,
      NDArray cap,
      RotaryPositions rotary) {}

  /** Above this row length, scores are not materialized unless something is done to them. */
  private static final int SHORT = 256;

  private final Parts parts;
  private final DecoderSpec spec;
  private final Constants constants;
  private final int layer;

  SelfAttention(Parts parts, DecoderSpec spec, Constants constants, int layer) {
    this.parts = parts;
    this.spec = spec;
    this.constants = constants;
    this.layer = layer;
  }

  NDArray forward(NDArray x, LayerSites sites, Pass pass) {
    TokenBatch batch = pass.batch();
    NDList projected = project(x, pass);
    NDArray q = place(normalize(parts.queryNorm, projected.get(0)), constants.heads, batch);
    NDArray k = place(normalize(parts.keyNorm, projected.get(1)), constants.keyHeads, batch);
    NDArray v = AttentionOps.heads(projected.get(2), constants.keyHeads);
    if (pass.cache() != null) {
      k = pass.cache().addKeys(layer, k);
      v = pass.cache().addValues(layer, v);
    }
    PrefixGates gates = sites.gates(x, pass);
    NDArray context = attend(q, sites.keys(k), sites.values(v), sites, gates, pass);
    return parts.output.forward(context, pass);
  }

  private NDList project(NDArray x, Pass pass) {
    if (spec.attention().joining() == DecoderSpec.Joining.NONE) {
      NDList separate = new NDList();
      parts.projections.forEach(projection -> separate.add(projection.forward(x, pass)));
      return separate;
    }
    NDArray joined = parts.projections.get(0).forward(x, pass);
    return spec.attention().joining() == DecoderSpec.Joining.WHOLE
        ? AttentionOps.split(joined, constants.sizes)
        : AttentionOps.splitInHeads(joined, constants.heads);
  }

  private NDArray normalize(Norm norm, NDArray x) {
    if (norm == null) {
      return x;
    }
    if (spec.attention().norm() == DecoderSpec.QueryNorm.WHOLE) {
      return norm.forward(x);
    }
    Shape shape = x.getShape();
    long heads = shape.get(2) / spec.attention().headDim();
    NDArray byHead = x.reshape(shape.get(0), shape.get(1), heads, spec.attention().headDim());
    return norm.forward(byHead).reshape(shape);
  }

  private NDArray place(NDArray x, NDArray heads, TokenBatch batch) {
    return constants.rotary == null
        ? AttentionOps.heads(x, heads)
        : constants.rotary.turn(x, heads, batch);
  }

  private NDArray attend(
      NDArray q, NDArray k, NDArray v, LayerSites sites, PrefixGates gates, Pass pass) {
    int window = spec.attention().windows()[layer];
    NDArray mask = sites.mask(pass.batch().causalMask(window), window, pass.batch());
    double p = pass.training() ? spec.attention().dropout() : 0;
    if (!gates.isEmpty()) {
      NDArray scores =
          gates.onKeys(AttentionOps.groupedProducts(q, k, constants.scale, constants.cap));
      NDArray probabilities = pass.dropout(AttentionOps.maskedSoftmax(scores, mask), p);
      return AttentionOps.groupedWeigh(gates.onValues(probabilities), v);
    }
    if (p == 0 && constants.cap == null && q.getShape().get(2) > SHORT) {
      return AttentionOps.groupedAttention(q, k, v, mask, constants.scale);
    }
    NDArray probabilities = AttentionOps.groupedScores(q, k, mask, constants.scale, constants.cap);
    return AttentionOps.groupedWeigh(pass.dropout(probabilities, p), v);
  }

  /** {@return what its graph keeps} */
  Kept kept(TokenBatch batch) {
    DecoderSpec.Attention attention = spec.attention();
    long width = (long) attention.heads() * attention.headDim();
    long keyWidth = (long) attention.keyHeads() * attention.headDim();
    boolean materialized =
        attention.dropout() > 0 || attention.cap() != 0 || batch.rowLength() <= SHORT;
    // The fused kernel takes keys and values repeated for each query head, and keeps its output.
    long operands = materialized ? width + 2 * keyWidth : 4 * width;
    long capped = attention.cap() == 0 ? 0 : attention.heads() * batch.rowLength();
    long token =
        operands
            + (parts.queryNorm == null ? 0 : width + keyWidth)
            + capped
            + KeptElements.ofScores(attention.heads(), batch, attention.dropout(), materialized);
    return Kept.perToken(token)
        .plus(KeptElements.ofInput(parts.projections))
        .plus(KeptElements.ofInput(List.of(parts.output)));
  }

  List<Module> modules() {
    List<Module> modules = new ArrayList<>(parts.projections);
    if (parts.queryNorm != null) {
      modules.add(parts.queryNorm);
      modules.add(parts.keyNorm);
    }
    modules.add(parts.output);
    return modules;
  }
}
