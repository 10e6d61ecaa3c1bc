package io.peft4j.adapter.select;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterConfig;
import java.util.Objects;

/**
 * Full fine-tuning: a trained float32 copy of every base parameter in its place. Not a method of
 * peft; its result is a plain checkpoint, see {@link io.peft4j.adapter.AdaptedModel#export}.
 */
public final class FullConfig implements AdapterConfig {

  static final String PEFT_TYPE = "FULL";

  private final String baseModel;

  /** Full fine-tuning of a base that has no name; {@link #withBaseModel} gives it one. */
  public FullConfig() {
    this(null);
  }

  private FullConfig(String baseModel) {
    this.baseModel = baseModel;
  }

  /** {@return name or path of the base model, or null} */
  public String baseModel() {
    return baseModel;
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

  @Override
  public boolean equals(Object object) {
    return object instanceof FullConfig other && Objects.equals(baseModel, other.baseModel);
  }

  @Override
  public int hashCode() {
    return Objects.hashCode(baseModel);
  }

  @Override
  public String toString() {
    return toJson().toString();
  }
}
