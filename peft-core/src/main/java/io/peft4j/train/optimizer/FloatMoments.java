package io.peft4j.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.TrainingOps;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The two moments as they are, in float32. */
record FloatMoments(NDArray first, NDArray second) implements MomentStore {

  static final String FIRST = "exp_avg";
  static final String SECOND = "exp_avg_sq";

  static FloatMoments zeros(StateMemory memory, Shape shape) {
    return new FloatMoments(
        memory.zeros(DataType.FLOAT32, shape), memory.zeros(DataType.FLOAT32, shape));
  }

  static long bytes(long elements) {
    return 2L * Float.BYTES * elements;
  }

  @Override
  public boolean step(NDArray parameter, NDArray gradient, AdamStep step) {
    try (NDArray settings = HostTensors.numbers(parameter.getManager(), step.hyper())) {
      TrainingOps.adamw(
          List.of(parameter), List.of(gradient), List.of(first), List.of(second), settings);
    }
    return true;
  }

  @Override
  public void read(NDArray toFirst, NDArray toSecond) {
    HostTensors.copy(first, toFirst);
    HostTensors.copy(second, toSecond);
  }

  @Override
  public void write(NDArray newFirst, NDArray newSecond) {
    HostTensors.copy(newFirst, first);
    HostTensors.copy(newSecond, second);
  }

  @Override
  public MomentStore copyTo(NDManager manager) {
    return new FloatMoments(
        HostTensors.copyTo(manager, first), HostTensors.copyTo(manager, second));
  }

  @Override
  public Map<String, NDArray> state() {
    Map<String, NDArray> state = new LinkedHashMap<>();
    state.put(FIRST, first);
    state.put(SECOND, second);
    return state;
  }
}
