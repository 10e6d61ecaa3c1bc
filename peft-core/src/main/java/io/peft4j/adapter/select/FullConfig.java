package io.peft4j.adapter.select;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterConfig;

/**
 * Full fine-tuning: a trained float32 copy of every base parameter in its place. Not a method of
 * peft; its result is a plain checkpoint, see {@link io.peft4j.adapter.AdaptedModel#export}.
 *
 * @param baseModel name or path of the base model, or null
 */
public record FullConfig(String baseModel) implements AdapterConfig {

  static final String PEFT_TYPE = "FULL";

  /** Full fine-tuning of a base that has no name. */
  public FullConfig() {
    this(null);
  }

  @Override
  public String peftType() {
    return PEFT_TYPE;
  }

  @Override
  public ObjectNode toJson() {
    return JsonNodeFactory.instance
        .objectNode()
        .put("peft_type", PEFT_TYPE)
        .put("base_model_name_or_path", baseModel);
  }

  @Override
  public FullConfig withBaseModel(String nameOrPath) {
    return new FullConfig(nameOrPath);
  }
}
