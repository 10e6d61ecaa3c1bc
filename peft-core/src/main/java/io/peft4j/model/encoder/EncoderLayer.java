package io.peft4j.model.encoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.LayerNorm;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.PrefixGates;
import io.peft4j.torch.AttentionOps;
import io.peft4j.torch.Ops;
import java.util.List;

/**
 * A post-norm transformer encoder layer (Vaswani et al., 2017; Devlin et al., 2019): h [rows,
 * length, hidden] to the same shape.
 *
 * <p>The last layer gives the states that the head reads, [n, hidden]. If these are the first
 * tokens', it computes its queries, and all that follows them, for them only.
 */
final class EncoderLayer implements Segment {

  /** The modules of one layer, by role. */
  record Parts(
      Linear query,
      Linear key,
      Linear value,
      Linear attentionOutput,
      LayerNorm attentionNorm,
      Linear up,
      Linear down,
      LayerNorm outputNorm) {}

  /** Above this row length, scores are not materialized unless they must be dropped out. */
  private static final int SHORT = 256;

  private final Parts parts;
  private final EncoderSpec spec;
  private final NDArray heads;
  private final LayerSites sites;
  private final Reading reading;

  /**
   * @param reading which tokens' states it gives; null for all
   */
  EncoderLayer(Parts parts, EncoderSpec spec, NDArray heads, LayerSites sites, Reading reading) {
    this.parts = parts;
    this.spec = spec;
    this.heads = heads;
    this.sites = sites;
    this.reading = reading;
  }

  @Override
  public NDArray forward(NDArray h, Pass pass) {
    TokenBatch batch = pass.batch();
    boolean few = reading == Reading.FIRST && !readsAllTokens();
    NDArray residual = few ? Ops.rows(h, batch.firstTokens()) : h;
    NDArray q = parts.query.forward(residual, pass);
    NDArray k = sites.keys(parts.key.forward(h, pass));
    NDArray v = sites.values(parts.value.forward(h, pass));
    NDArray mask = sites.mask(few ? batch.firstMask() : batch.mask(), Integer.MAX_VALUE, batch);
    PrefixGates gates = sites.gates(h, pass);
    NDArray context =
        few
            ? Ops.rows(
                attend(Ops.rows(q, batch.firstByRow()), k, v, mask, firsts(gates, batch), pass),
                batch.firstSlots())
            : attend(q, k, v, mask, gates, pass);
    NDArray attention = pass.dropout(parts.attentionOutput.forward(context, pass), spec.dropout());
    NDArray middle = sites.attention().join(attention, residual, pass);

    NDArray inner = spec.activation().apply(parts.up.forward(middle, pass));
    NDArray output = pass.dropout(parts.down.forward(inner, pass), spec.dropout());
    NDArray states = sites.output().join(output, middle, pass);
    return reading == null || few ? states : Ops.rows(states, batch.read());
  }

  @Override
  public Kept kept(TokenBatch batch) {
    long hidden = parts.query.projection().out();
    boolean materialized = spec.attentionDropout() > 0 || batch.rowLength() <= SHORT;
    int headCount = (int) heads.getLong();
    long token =
        3 * hidden
            + KeptElements.ofScores(headCount, batch, spec.attentionDropout(), materialized)
            + 2 * KeptElements.ofDropout(hidden, spec.dropout())
            + 2 * hidden // what the norms read
            + parts.up.projection().out();
    return Kept.perToken(token)
        .plus(KeptElements.ofInput(List.of(parts.query, parts.key, parts.value)))
        .plus(KeptElements.ofInput(List.of(parts.attentionOutput)))
        .plus(KeptElements.ofInput(List.of(parts.up)))
        .plus(KeptElements.ofInput(List.of(parts.down)))
        .plus(sites.kept(hidden, headCount, spec.attentionDropout()));
  }

  /** Those of the first tokens, in the order of {@link TokenBatch#firstByRow}. */
  private static PrefixGates firsts(PrefixGates gates, TokenBatch batch) {
    return gates.isEmpty() ? gates : gates.of(batch.firstTokens()).of(batch.firstByRow());
  }

  private boolean readsAllTokens() {
    return sites.readsAllTokens() || Linear.anyReadsAllTokens(modules());
  }

  private NDArray attend(
      NDArray q, NDArray k, NDArray v, NDArray mask, PrefixGates gates, Pass pass) {
    double p = pass.training() ? spec.attentionDropout() : 0;
    if (!gates.isEmpty()) {
      NDArray scores = gates.onKeys(AttentionOps.products(q, k, heads));
      NDArray probabilities = pass.dropout(AttentionOps.maskedSoftmax(scores, mask), p);
      return AttentionOps.attentionWeigh(gates.onValues(probabilities), v, heads);
    }
    if (p == 0 && k.getShape().get(1) > SHORT) {
      return AttentionOps.attention(q, k, v, mask, heads);
    }
    NDArray probabilities = AttentionOps.attentionScores(q, k, mask, heads);
    return AttentionOps.attentionWeigh(pass.dropout(probabilities, p), v, heads);
  }

  @Override
  public LayerSites sites() {
    return sites;
  }

  @Override
  public List<Module> modules() {
    return List.of(
        parts.query,
        parts.key,
        parts.value,
        parts.attentionOutput,
        parts.attentionNorm,
        parts.up,
        parts.down,
        parts.outputNorm);
  }
}
