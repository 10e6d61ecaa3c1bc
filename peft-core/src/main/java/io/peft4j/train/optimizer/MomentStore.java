package io.peft4j.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Map;

/**
 * Keeps the two moments of one parameter between the optimizer's steps, in whatever form. {@link
 * AdamW} itself keeps float32; a library on the class path may offer another through a {@link
 * Provider}.
 */
public interface MomentStore {

  /** Fills two float32 arrays of the parameter's shape with the moments. */
  void read(NDArray first, NDArray second);

  /**
   * Takes a whole step where parameter and gradient are, if there is a kernel for it there.
   *
   * @return false where there is none, and {@link #read} and {@link #write} are to be used
   */
  default boolean step(NDArray parameter, NDArray gradient, AdamStep step) {
    return false;
  }

  /** Keeps the moments given. */
  void write(NDArray first, NDArray second);

  /** {@return the same moments in memory of {@code manager}, on its device} */
  MomentStore copyTo(NDManager manager);

  /** {@return the state by name, such as {@code exp_avg}: to save, and to read back into} */
  Map<String, NDArray> state();

  /** Makes stores; found through {@link java.util.ServiceLoader}. */
  interface Provider {

    /** {@return the value of {@code optim} that means this, such as {@code adamw_8bit}} */
    String optim();

    /** {@return whether it would keep {@code elements} numbers otherwise than as float32} */
    boolean serves(long elements);

    /** {@return bytes that it takes for {@code elements} numbers} */
    long bytes(long elements);

    /**
     * {@return a store of zeros}
     *
     * @param manager whose device takes the steps
     * @param memory where the state is kept
     */
    MomentStore create(NDManager manager, StateMemory memory, long elements);
  }
}
