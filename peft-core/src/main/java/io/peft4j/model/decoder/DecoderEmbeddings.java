package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import java.util.List;

/** Token embeddings, with learned positions where it has them. */
final class DecoderEmbeddings implements Segment {

  private final Embedding words;
  private final Embedding positions;
  private final double dropout;

  /**
   * @param positions null where they are rotary
   */
  DecoderEmbeddings(Embedding words, Embedding positions, double dropout) {
    this.words = words;
    this.positions = positions;
    this.dropout = dropout;
  }

  @Override
  public NDArray forward(NDArray none, Pass pass) {
    TokenBatch batch = pass.batch();
    NDArray h = words.forward(pass.lend(batch.ids()), pass);
    if (positions != null) {
      h = h.add(positions.forward(pass.lend(batch.positions()), pass));
    }
    return pass.dropout(h, dropout);
  }

  @Override
  public Kept kept(TokenBatch batch) {
    long mask = KeptElements.ofDropout(words.weight().shape().get(1), dropout);
    Kept kept = Kept.perToken(mask).plus(words.kept());
    return positions == null ? kept : kept.plus(positions.kept());
  }

  @Override
  public List<Module> modules() {
    return positions == null ? List.of(words) : List.of(words, positions);
  }
}
