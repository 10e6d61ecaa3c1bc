package io.peft4j.adapter.select;

import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Parameter;
import java.util.List;
import java.util.Set;

/**
 * Layer-norm tuning (Zhao et al., 2024): a trained copy of each targeted norm stands in its place.
 * Merged, the copy is the checkpoint's.
 *
 * <p>On disk {@code MODULE.ln_tuning_layers.weight}, and {@code .bias} where there is one.
 */
public final class LnTuningMethod extends DocumentMethod {

  public LnTuningMethod() {
    super(
        "LN_TUNING",
        """
        {"target_modules": null, "exclude_modules": null, "modules_to_save": null}
        """);
  }

  @Override
  public List<String> parameterNames() {
    return List.of("ln_tuning_layers");
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    for (Module module : builder.targets(config, Set.of(Norm.class))) {
      for (Parameter parameter : module.parameters()) {
        String part = parameter.name().substring(module.name().length());
        builder.train(parameter, module.name() + ".ln_tuning_layers" + part);
      }
    }
  }
}
