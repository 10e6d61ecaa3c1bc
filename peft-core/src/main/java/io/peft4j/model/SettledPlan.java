package io.peft4j.model;

import io.peft4j.model.family.Architecture;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import java.util.function.Function;

/**
 * What a kind of head has settled.
 *
 * @param config with that in it
 * @param drawn the module that gives the logits, where it can be new; else null
 * @param parts takes all weights of the model
 */
record SettledPlan(
    ModelConfig config,
    Architecture architecture,
    String drawn,
    Function<Weights, HeadKind.Parts> parts)
    implements HeadKind.Plan {

  @Override
  public HeadKind.Parts build(Weights weights) {
    return parts.apply(weights);
  }
}
