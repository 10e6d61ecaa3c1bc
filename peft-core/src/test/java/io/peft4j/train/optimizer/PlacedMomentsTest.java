package io.peft4j.train.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What a GPU's state goes through: a copy for the step, the next one's before it. */
class PlacedMomentsTest {

  private static final Shape SHAPE = new Shape(50, 100);

  @Test
  void copiesForTheStepComeBackWhole() {
    Random random = new Random(3);
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      MomentStore plain = FloatMoments.zeros(StateMemory.of(manager), SHAPE);
      List<PlacedMoments> paged = List.of(onHost(manager), onHost(manager));
      for (int i = 0; i < 4; i++) {
        NDArray a = drawn(manager, random);
        NDArray b = drawn(manager, random);
        plain.write(a, b);
        paged.get(0).prefetch();
        for (int k = 0; k < 2; k++) {
          if (k == 0) {
            paged.get(1).prefetch();
          }
          paged.get(k).fetch().write(a, b);
          paged.get(k).putBack();
        }
        for (PlacedMoments one : paged) {
          assertEquals(plain.state().keySet(), one.kept().state().keySet());
          plain
              .state()
              .forEach(
                  (name, tensor) ->
                      assertArrayEquals(
                          tensor.toFloatArray(),
                          one.kept().state().get(name).toFloatArray(),
                          name));
        }
      }
    }
  }

  private static PlacedMoments onHost(NDManager manager) {
    return new PlacedMoments.OnHost(manager, memory -> FloatMoments.zeros(memory, SHAPE));
  }

  private static NDArray drawn(NDManager manager, Random random) {
    float[] values = new float[(int) SHAPE.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return manager.create(values, SHAPE);
  }
}
