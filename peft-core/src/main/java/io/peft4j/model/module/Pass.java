package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.torch.DropoutMask;
import io.peft4j.torch.Ops;
import io.peft4j.torch.Precision;

/**
 * One run of a batch through a model: what is run, in which precision, and the source of dropout.
 *
 * <p>A dropout mask is a function of the pass's key, the segment and the place within it. Running a
 * segment again gives the same masks, and a resumed training needs no random state.
 */
public final class Pass {

  private final TokenBatch batch;
  private final Precision precision;
  private final boolean training;
  private final long key;
  private final KeyValues cache;
  private NDManager scope;
  private int segment;
  private int place;

  private Pass(TokenBatch batch, Precision precision, boolean training, long key, KeyValues cache) {
    this.batch = batch;
    this.precision = precision;
    this.training = training;
    this.key = key;
    this.cache = cache;
  }

  public static Pass inference(TokenBatch batch, Precision precision) {
    return new Pass(batch, precision, false, 0, null);
  }

  /** A step of generation, whose keys and values go to {@code cache}. */
  public static Pass step(TokenBatch batch, Precision precision, KeyValues cache) {
    return new Pass(batch, precision, false, 0, cache);
  }

  public static Pass training(TokenBatch batch, Precision precision, long key) {
    return new Pass(batch, precision, true, key, null);
  }

  public boolean training() {
    return training;
  }

  public TokenBatch batch() {
    return batch;
  }

  /** {@return keys and values of earlier tokens, or null where all tokens are in the batch} */
  public KeyValues cache() {
    return cache;
  }

  /** Begins a segment whose temporaries belong to {@code owner}. */
  public void enter(int index, NDManager owner) {
    segment = index;
    place = 0;
    scope = owner;
  }

  /** {@return {@code array} of the batch, lent to the segment so that results belong to it} */
  public NDArray lend(NDArray array) {
    array.tempAttach(scope);
    return array;
  }

  /** {@return {@code x} in the precision of this pass} */
  NDArray cast(NDArray x) {
    return precision.typed(x);
  }

  /**
   * {@return int64: the group of each entry of {@code x}'s first dimension, in a batch with groups}
   *
   * @param x [rows, length, ..] or [examples, ..]
   */
  public NDArray groups(NDArray x) {
    return batch.groups(x.getShape().dimension() == 3);
  }

  /** {@return a number below {@code bound} that is the same everywhere in this pass} */
  public int draw(int bound) {
    return (int) Math.floorMod(DropoutMask.mix(DropoutMask.mix(key, -1), bound), (long) bound);
  }

  /**
   * {@return in place of each token's numbers the mean over its example's; in generation over the
   * tokens of the step}
   *
   * @param x [rows, length, n]
   */
  public NDArray meanOfExample(NDArray x) {
    return Ops.meanByOwner(x, batch.owners(), batch.examples());
  }

  /**
   * Zeroes elements of {@code x} with probability {@code p} and scales the others by 1/(1-p)
   * (Srivastava et al., 2014); outside training, or for p = 0, gives {@code x}.
   */
  public NDArray dropout(NDArray x, double p) {
    if (!training || p == 0) {
      return x;
    }
    return x.mul(DropoutMask.like(x, p, DropoutMask.mix(DropoutMask.mix(key, segment), place++)));
  }
}
