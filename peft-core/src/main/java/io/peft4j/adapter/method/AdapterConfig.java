package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.target.Targets;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** What an adapter is, as {@code adapter_config.json} holds it. Implementations are immutable. */
public interface AdapterConfig {

  /** {@return the value of {@code peft_type}, such as {@code LORA}} */
  String peftType();

  /** {@return the document that {@code adapter_config.json} holds} */
  ObjectNode toJson();

  /** {@return what there is to say of an adapter once it is built, which is what is written} */
  default AdapterConfig built() {
    return this;
  }

  /**
   * {@return a config that means the same for {@code modules} in a file, whose keys are sorted}
   *
   * @param modules the names of what is adapted
   * @param onDisk gives the name that the file has for a module
   */
  default AdapterConfig inAnyOrder(Collection<String> modules, UnaryOperator<String> onDisk) {
    return this;
  }

  /** {@return the modules it adapts and those it trains in full; null for a method without such} */
  default Targets targets() {
    return null;
  }

  /**
   * {@return this config, of a method that has {@link #targets}, with other {@code
   * modules_to_save}}
   */
  default AdapterConfig withModulesToSave(List<String> modules) {
    throw new IllegalArgumentException(peftType() + " has no modules_to_save");
  }

  /**
   * {@return what it says of a module of that name alone, in words for a message}, such as {@code
   * the rank} and {@code the scaling}; compared when an adapter has been saved, see {@link
   * AdapterMethod#kinds}
   */
  default Map<String, Object> settings(String module) {
    return Map.of();
  }

  /** {@return this config for a base model of that name or path} */
  AdapterConfig withBaseModel(String nameOrPath);
}
