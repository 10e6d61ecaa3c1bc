package io.peft4j.adapter.select;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.model.Model;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;

/** Full fine-tuning: all parameters are trained; tied ones remain one tensor. */
public final class FullMethod implements AdapterMethod {

  /** For {@link java.util.ServiceLoader}. */
  public FullMethod() {}

  @Override
  public String peftType() {
    return FullConfig.PEFT_TYPE;
  }

  @Override
  public boolean trainsBase() {
    return true;
  }

  @Override
  public AdapterConfig parse(ObjectNode json) {
    return new FullConfig().withBaseModel(json.path("base_model_name_or_path").asText(null));
  }

  @Override
  public AdapterConfig settle(AdapterConfig config, Model model) {
    return config;
  }

  @Override
  public void build(AdapterConfig config, AdapterBuilder builder) {
    for (Module module : builder.model().modules().leaves()) {
      if (module instanceof Linear linear && linear.weight() == null) {
        throw new IllegalArgumentException(
            module.name() + ": full fine-tuning needs dense weights, found a quantized one");
      }
      for (Parameter parameter : module.parameters()) {
        if (parameter.tied() == null) {
          builder.train(parameter, parameter.name());
        } else {
          builder.share(parameter, parameter.tied());
        }
      }
    }
  }
}
