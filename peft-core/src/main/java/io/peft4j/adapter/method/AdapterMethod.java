package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.model.Model;
import io.peft4j.model.module.Module;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A way of adapting models: its config, what it adds to a model, how that is kept in files. Found
 * through {@link java.util.ServiceLoader}: an implementation has a constructor without arguments
 * and is named in {@code META-INF/services/io.peft4j.adapter.method.AdapterMethod}, or provided by
 * a module. Most extend {@link DocumentMethod}, which leaves {@code build} to say.
 *
 * <p>Implementations have no state of their own and are used by many threads.
 */
public interface AdapterMethod {

  /** The file that says what the adapter is. */
  String CONFIG = "adapter_config.json";

  /** The file with its tensors. */
  String WEIGHTS = "adapter_model.safetensors";

  /** {@return the value of {@code peft_type} that means this method, and no other} */
  String peftType();

  // --- the config --------------------------------------------------------------------------------

  /**
   * {@return the config of an {@code adapter_config.json}}
   *
   * @throws IllegalArgumentException if a value is wrong, or asks for what there is not; the
   *     message names the key
   */
  AdapterConfig parse(ObjectNode json);

  /** {@return a config to start from: what it has where nothing else is said} */
  default AdapterConfig defaults() {
    return parse(JsonNodeFactory.instance.objectNode().put("peft_type", peftType()));
  }

  /** {@return configs to start from that have names of their own, beside {@link #defaults}} */
  default Map<String, AdapterConfig> presets() {
    return Map.of();
  }

  /**
   * {@return {@code config} with what it leaves open settled for {@code model}}, such as default
   * targets
   */
  AdapterConfig settle(AdapterConfig config, Model model);

  /** {@return what becomes of the keys of peft's that {@link #parse} reads nothing from} */
  default ConfigKeys keys() {
    return ConfigKeys.of(peftType());
  }

  /** {@return sentences on the keys of {@code config} that the method does not know} */
  default List<String> unknownKeys(AdapterConfig config) {
    return List.of();
  }

  /** {@return the keys that decide sizes of tensors, for messages on those that do not fit} */
  default List<String> sizeKeys() {
    return List.of();
  }

  /** {@return whether a document is a config of this method} */
  default boolean recognizes(ObjectNode json) {
    return json.path("peft_type").asText().equals(peftType());
  }

  // --- what it does ------------------------------------------------------------------------------

  /**
   * Adds to the adapter what the method adds to the model.
   *
   * @param config one that {@link #settle} gave
   * @throws IllegalArgumentException if the config does not fit the model
   */
  void build(AdapterConfig config, AdapterBuilder builder);

  /**
   * {@return the kinds of modules that a config's {@link AdapterConfig#targets} choose, where they
   * and {@link AdapterConfig#settings} are all that says what is adapted; else none} A saved config
   * is then held to what was trained.
   */
  default Set<Class<? extends Module>> kinds() {
    return Set.of();
  }

  /** {@return whether it trains the base itself, so that what comes of it is a plain checkpoint} */
  default boolean trainsBase() {
    return false;
  }

  /**
   * {@return whether each of its tensors acts in one place of the model}, so that a backward pass
   * adds to its gradient once; a method with {@link AdapterConfig#targets}
   */
  default boolean actsOnce() {
    return false;
  }

  /** {@return whether it acts through other adapters, which have to be on the model before} */
  default boolean composes() {
    return false;
  }

  // --- its files ---------------------------------------------------------------------------------

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

  /**
   * {@return the names of its parameters within a module}, such as {@code lora_A}: in files that
   * were not written by peft, but by DeepSpeed, FSDP or {@code state_dict()}, the adapter's name
   * follows them
   */
  default List<String> parameterNames() {
    return List.of();
  }

  /**
   * {@return whether {@code name} is of a tensor that only a live model has, and no file needs}
   *
   * @param name without what peft puts before modules, with the adapter's name behind
   */
  default boolean isOnlyLive(String name) {
    return false;
  }

  /**
   * {@return the key under which {@link Adapter} has what a file calls {@code name}}, for versions
   * of peft that have another name for it
   *
   * @param name without what peft puts before modules, and without the adapter's
   */
  default String keyOf(String name) {
    return name;
  }
}
