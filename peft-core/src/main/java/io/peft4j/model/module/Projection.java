package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.safetensors.TensorSource;
import java.util.List;

/**
 * A linear map {@code y = x Wᵀ + b}, however its weight is stored. This is the seam that everything
 * adapts: an adapter neither knows nor cares whether the weight is dense or quantized.
 */
public interface Projection {

  /** The {@link #format} of a weight that is not quantized. */
  String DENSE = "dense";

  /**
   * @param x [.., in]
   * @return [.., out], on {@code x}'s manager
   */
  NDArray forward(NDArray x);

  /** {@return columns of W} */
  long in();

  /** {@return rows of W} */
  long out();

  /** {@return W as float32 [out, in], with what is merged, a new array on {@code manager}} */
  NDArray weight(NDManager manager);

  /** {@return W as it is stored, as float32 [out, in], a new array on {@code manager}} */
  NDArray storedWeight(NDManager manager);

  /**
   * {@return the weight that the stored one was made of, as float32 [out, in] on {@code manager};
   * null where it is not at hand} That of a quantized weight is in the dense checkpoint it was read
   * from.
   */
  default NDArray originalWeight(NDManager manager) {
    return storedWeight(manager);
  }

  /**
   * Keeps {@code weight}, float32 [out, in], as this projection keeps its own, to be used in the
   * stored one's place.
   *
   * @throws UnsupportedOperationException where overlays on {@link Linear#weight} do that
   */
  default Replacement replacement(NDArray weight) {
    throw new UnsupportedOperationException("the weight is dense");
  }

  /** A weight that can take the stored one's place. */
  interface Replacement extends AutoCloseable {
    /** {@return what it stands for, float32 [out, in], a new array on {@code manager}} */
    NDArray weight(NDManager manager);

    void lay();

    /** Takes it away again, if it is there. */
    void lift();

    @Override
    void close();
  }

  /** {@return the bias [out], or null} */
  Parameter bias();

  /**
   * Uses {@code weight} [out, in] in place of the stored one until {@link #unmerge}; the stored one
   * is kept. The projection takes ownership of {@code weight}.
   *
   * @throws ArithmeticException if the way it is kept cannot hold a number in it
   */
  void merge(NDArray weight);

  /** Goes back to the stored weight, exactly. */
  void unmerge();

  /** {@return what the stored weight is kept as: {@code dense}, or such as {@code nf4}} */
  default String format() {
    return DENSE;
  }

  /** {@return whether a plain checkpoint of this family has the weight as [in, out]} */
  default boolean turned() {
    return false;
  }

  /**
   * Called before a gradient is sent through what {@link #forward} has recorded, unless nothing
   * else ran in between: a weight that is dense only while its layer runs is made so again. The
   * graph holds the place of the dense weight, not a copy.
   */
  default void beforeBackward() {}

  /**
   * {@return the tensors that hold W, with what is merged, in files of its format; none where it is
   * dense}
   *
   * @param name the weight's name in the checkpoint
   * @throws IllegalStateException if what is merged is not kept in the format
   */
  default List<TensorSource> packed(String name) {
    return List.of();
  }

  /** {@return how the weight is kept, for people and to tell two ways apart, such as "dense"} */
  default String storage() {
    return "dense";
  }

  /** {@return whether a gradient is wanted for the weight or the bias themselves} */
  boolean trainable();
}
