package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;

/**
 * libtorch's automatic differentiation, segment by segment: a graph is recorded while a {@link
 * Mode} is open, and {@link #backward} takes the gradient that comes from above.
 *
 * <p>Recording is a property of the thread, so several threads may train several models in one JVM
 * (which DJL's own {@code GradientCollector} does not allow).
 */
public final class Autograd {

  private Autograd() {}

  /** Turns recording on or off for this thread until closed. */
  public static final class Mode implements AutoCloseable {
    private final boolean before = JniUtils.isGradMode();

    private Mode(boolean record) {
      JniUtils.setGradMode(record);
    }

    @Override
    public void close() {
      JniUtils.setGradMode(before);
    }
  }

  /** Records what follows. */
  public static Mode record() {
    return new Mode(true);
  }

  /** Stops recording. */
  public static Mode pause() {
    return new Mode(false);
  }

  /** {@return whether this thread records} */
  public static boolean recording() {
    return JniUtils.isGradMode();
  }

  /** {@return {@code x}'s data as the start of a new graph, whose gradient can be asked for} */
  public static NDArray leaf(NDArray x) {
    NDArray leaf = Ops.detach(x);
    leaf.setRequiresGradient(true);
    return leaf;
  }

  /**
   * Propagates {@code gradient} (the shape and type of {@code y}) from {@code y} to the leaves of
   * its graph, adding to their gradients, and frees the graph.
   */
  public static void backward(NDArray y, NDArray gradient) {
    JniUtils.backward((PtNDArray) y, (PtNDArray) gradient, false, false);
  }

  /**
   * {@return the gradient that {@code leaf} has collected, or null where none arrived}; the result
   * is another handle to the same memory, owned by {@code leaf}'s manager
   */
  public static NDArray gradient(NDArray leaf) {
    return JniUtils.getGradient((PtNDArray) leaf);
  }

  /** Sets the gradient of {@code leaf} to zero, if it has one. */
  public static void clearGradient(NDArray leaf) {
    try (NDArray gradient = gradient(leaf)) {
      if (gradient != null) {
        JniUtils.zeroGrad((PtNDArray) leaf);
      }
    }
  }
}
