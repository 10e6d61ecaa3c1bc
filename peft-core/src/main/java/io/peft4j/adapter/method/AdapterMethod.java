package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.model.Model;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A way of adapting models. One implementation, one file; registered in {@link AdapterMethods}. */
public interface AdapterMethod {

  /** The file that says what the adapter is. */
  String CONFIG = "adapter_config.json";

  /** The file with its tensors. */
  String WEIGHTS = "adapter_model.safetensors";

  /** {@return the value of {@code peft_type} that means this method} */
  String peftType();

  /** {@return the config of an {@code adapter_config.json}} */
  AdapterConfig parse(ObjectNode json);

  /**
   * {@return {@code config} with what it leaves open settled for {@code model}}, such as default
   * targets
   */
  AdapterConfig settle(AdapterConfig config, Model model);

  /**
   * Adds to the adapter what the method adds to the model.
   *
   * @throws IllegalArgumentException if the config does not fit the model
   */
  void build(AdapterConfig config, AdapterBuilder builder);

  /** {@return sentences on the keys of {@code config} that the method does not know} */
  default List<String> unknownKeys(AdapterConfig config) {
    return List.of();
  }

  /** {@return whether a document is a config of this method} */
  default boolean recognizes(ObjectNode json) {
    return json.path("peft_type").asText().equals(peftType());
  }

  /** {@return the name of the file that holds the config} */
  default String document() {
    return CONFIG;
  }

  /** {@return the name of the file that holds the tensor of {@code key}} */
  default String fileOf(String key) {
    return WEIGHTS;
  }

  /** {@return {@code config} with what the other files of its folder say} */
  default AdapterConfig inFolder(AdapterConfig config, Path folder) throws IOException {
    return config;
  }

  /**
   * {@return the names of the files that tensors may be in, the one that is always there first;
   * none for a method that has no tensors}
   */
  default List<String> files() {
    return List.of(WEIGHTS);
  }

  /** {@return the documents to write for {@code config}, by file name} */
  default Map<String, ObjectNode> documents(AdapterConfig config) {
    // As peft does: whoever loads it means to use it, unless he says otherwise.
    return Map.of(CONFIG, config.built().toJson().put("inference_mode", true));
  }

  /** {@return the name in the tensor file of what {@link Adapter} keeps under {@code key}} */
  default String onDisk(String key) {
    return AdapterKeys.PREFIX + key;
  }
}
