package io.peft4j.model.encoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.LayerNorm;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import java.util.ArrayList;
import java.util.List;

/** Sum of token, position and (where the family has them) type embeddings, normalized. */
final class EncoderEmbeddings implements Segment {

  private final Embedding words;
  private final Embedding positions;
  private final Embedding types;
  private final LayerNorm norm;
  private final double dropout;

  /**
   * @param types null where the family has none
   */
  EncoderEmbeddings(
      Embedding words, Embedding positions, Embedding types, LayerNorm norm, double dropout) {
    this.words = words;
    this.positions = positions;
    this.types = types;
    this.norm = norm;
    this.dropout = dropout;
  }

  @Override
  public NDArray forward(NDArray none, Pass pass) {
    TokenBatch batch = pass.batch();
    NDArray h = words.forward(pass.lend(batch.ids()), pass);
    h = h.add(positions.forward(pass.lend(batch.positions()), pass));
    if (types != null) {
      h = h.add(types.forward(pass.lend(batch.types()), pass));
    }
    return pass.dropout(norm.forward(h), dropout);
  }

  @Override
  public Kept kept(TokenBatch batch) {
    long hidden = words.weight().shape().get(1);
    long token = hidden + KeptElements.ofDropout(hidden, dropout); // what the norm reads; the mask
    Kept kept = Kept.perToken(token).plus(words.kept()).plus(positions.kept());
    return types == null ? kept : kept.plus(types.kept());
  }

  @Override
  public List<Module> modules() {
    List<Module> modules = new ArrayList<>(List.of(words, positions));
    if (types != null) {
      modules.add(types);
    }
    modules.add(norm);
    return modules;
  }
}
