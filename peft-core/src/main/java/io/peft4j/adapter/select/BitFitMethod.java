package io.peft4j.adapter.select;

import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.adapter.target.TargetMatcher;
import io.peft4j.adapter.target.Targets;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import java.util.List;
import java.util.Set;

/**
 * BitFit (Ben Zaken et al., 2022): biases are trained, in place, and nothing else. peft has it only
 * as {@code bias="all"} beside LoRA's factors, so {@code peft_type} is our own.
 *
 * <p>On disk the biases under their own names. Without {@code target_modules} all are meant; a
 * decoder such as Llama has none.
 */
public final class BitFitMethod extends DocumentMethod {

  public BitFitMethod() {
    super(
        "BITFIT",
        """
        {"target_modules": null, "exclude_modules": null, "modules_to_save": null}
        """);
  }

  @Override
  protected ModuleSelector defaultTargets(String modelType) {
    return ModuleSelector.regex(".*");
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    Targets targets = config.targets();
    builder.checkTargets(targets, Set.of(Module.class));
    List<Parameter> biases =
        builder.model().modules().leaves().stream()
            .filter(module -> TargetMatcher.targets(targets, module.name()))
            .map(Module::parameters)
            .flatMap(List::stream)
            .filter(parameter -> parameter.name().endsWith(".bias"))
            .toList();
    if (biases.isEmpty()) {
      throw new IllegalArgumentException("BitFit: the model has no biases in what is targeted");
    }
    biases.forEach(bias -> builder.train(bias, bias.name()));
  }
}
