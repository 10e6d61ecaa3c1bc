package io.peft4j.model.chain;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.LayerSites;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import java.util.List;

/**
 * A link of the chain that a model is: the embeddings, a layer, the head. A segment's output is the
 * next one's input, and nothing else passes between them, so each can keep its graph for the
 * backward pass or be run again.
 */
public interface Segment {

  /**
   * @param input what the segment before gave; null for the first
   * @return the output, on the input's manager (for the first: on that of {@code pass.ids()})
   */
  NDArray forward(NDArray input, Pass pass);

  /** {@return the modules it runs} */
  List<Module> modules();

  /** Called before a gradient is sent through a graph kept since the forward pass. */
  default void beforeBackward() {
    for (Module module : modules()) {
      if (module instanceof Linear linear) {
        linear.projection().beforeBackward();
      }
    }
  }

  /** {@return what its graph keeps for the backward pass, beside its input} */
  Kept kept(TokenBatch batch);

  /** {@return a layer's other places for adapters, or null} */
  default LayerSites sites() {
    return null;
  }

  default boolean trainable() {
    return modules().stream().anyMatch(Module::trainable)
        || (sites() != null && sites().trainable());
  }
}
