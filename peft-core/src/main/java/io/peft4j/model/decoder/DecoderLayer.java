package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Pass;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A transformer decoder layer (Radford et al., 2019): h [rows, length, hidden] to the same shape.
 * What each half reads is normalized, or what it gives, or both, as the family has norms. Attention
 * and feed-forward run one after the other, or side by side (Wang and Komatsuzaki, 2021).
 */
final class DecoderLayer implements Segment {

  /** The parts, by role. Norms are null where the family has none. */
  record Parts(
      Norm beforeAttention,
      SelfAttention attention,
      Norm afterAttention,
      Norm beforeMlp,
      Mlp mlp,
      Norm afterMlp) {}

  private final Parts parts;
  private final DecoderSpec spec;
  private final LayerSites sites;

  DecoderLayer(Parts parts, DecoderSpec spec, LayerSites sites) {
    this.parts = parts;
    this.spec = spec;
    this.sites = sites;
  }

  @Override
  public NDArray forward(NDArray h, Pass pass) {
    NDArray attention = parts.attention.forward(normalize(parts.beforeAttention, h), sites, pass);
    attention = pass.dropout(normalize(parts.afterAttention, attention), spec.dropout().hidden());
    NDArray middle = sites.attention().join(attention, h, pass);
    NDArray read = spec.parallel() ? h : middle;
    NDArray output = parts.mlp.forward(normalize(parts.beforeMlp, read), pass);
    output = pass.dropout(normalize(parts.afterMlp, output), spec.dropout().hidden());
    return sites.output().join(output, middle, pass);
  }

  @Override
  public Kept kept(TokenBatch batch) {
    long hidden = spec.hidden();
    long dropped = KeptElements.ofDropout(hidden, spec.dropout().hidden());
    long normalized =
        (parts.afterAttention == null ? 0 : hidden) + (parts.afterMlp == null ? 0 : hidden);
    long middle = hidden;
    return Kept.perToken(middle + normalized + 2 * dropped)
        .plus(parts.attention.kept(batch))
        .plus(parts.mlp.kept())
        .plus(sites.kept(hidden, spec.attention().heads(), spec.attention().dropout()));
  }

  private static NDArray normalize(Norm norm, NDArray x) {
    return norm == null ? x : norm.forward(x);
  }

  @Override
  public LayerSites sites() {
    return sites;
  }

  @Override
  public List<Module> modules() {
    List<Module> modules = new ArrayList<>();
    modules.add(parts.beforeAttention);
    modules.addAll(parts.attention.modules());
    modules.add(parts.afterAttention);
    modules.add(parts.beforeMlp);
    modules.addAll(parts.mlp.modules());
    modules.add(parts.afterMlp);
    modules.removeIf(Objects::isNull);
    return modules;
  }
}
