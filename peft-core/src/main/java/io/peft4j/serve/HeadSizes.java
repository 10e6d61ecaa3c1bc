package io.peft4j.serve;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.model.Model;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;

/**
 * Lets a classifier's head have as many outputs as an adapter brings for it, whatever the base's
 * has, while the adapter is built.
 */
final class HeadSizes {

  private final Model model;
  private final Linear head;
  private NDManager laid;

  /**
   * @param head name of the module whose outputs are the labels, or null
   */
  HeadSizes(Model model, String head) {
    this.model = model;
    this.head = head != null && model.modules().leaf(head) instanceof Linear linear ? linear : null;
  }

  /** {@return the layer whose outputs are the labels, or null} */
  Linear head() {
    return head;
  }

  /** {@return how many labels the base has; 0 where it has no such head} */
  int outputs() {
    return head == null ? 0 : (int) head.projection().out();
  }

  /**
   * @param outputs 0 for the base's
   */
  void lay(int outputs) {
    if (head == null || outputs == 0 || outputs == outputs()) {
      return;
    }
    laid = model.manager().newSubManager();
    for (Parameter parameter : head.parameters()) {
      long[] shape = parameter.baseShape().getShape().clone();
      shape[0] = outputs;
      NDArray zeros = laid.zeros(new Shape(shape));
      parameter.lay(this, zeros);
    }
  }

  /** Gives the base its own head again. */
  void lift() {
    if (laid != null) {
      head.parameters().forEach(parameter -> parameter.lift(this));
      laid.close();
      laid = null;
    }
  }
}
