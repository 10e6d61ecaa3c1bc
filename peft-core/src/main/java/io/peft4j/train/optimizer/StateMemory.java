package io.peft4j.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;

/** Where an optimizer's state is kept. */
@FunctionalInterface
public interface StateMemory {

  /** {@return a tensor of zeros there} */
  NDArray zeros(DataType type, Shape shape);

  /** {@return the memory of a manager's device} */
  static StateMemory of(NDManager manager) {
    return (type, shape) -> manager.zeros(shape, type);
  }
}
