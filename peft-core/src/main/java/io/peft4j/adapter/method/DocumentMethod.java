package io.peft4j.adapter.method;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.adapter.target.TargetMatcher;
import io.peft4j.adapter.target.Targets;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.Model;
import java.util.ArrayList;
import java.util.List;

/**
 * A method whose config is a {@link MethodConfig}: it says which keys there are, with their
 * defaults, and reads them where it builds.
 */
public abstract class DocumentMethod implements AdapterMethod {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final String peftType;
  private final ObjectNode defaults;

  /**
   * @param defaults the method's keys and their values in a new config, as JSON
   */
  protected DocumentMethod(String peftType, String defaults) {
    this.peftType = peftType;
    this.defaults = JSON.createObjectNode().put("peft_type", peftType);
    for (String key : List.of("auto_mapping", "base_model_name_or_path", "revision", "task_type")) {
      this.defaults.putNull(key);
    }
    this.defaults.put("inference_mode", false);
    try {
      this.defaults.setAll((ObjectNode) JSON.readTree(defaults));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the defaults of " + peftType + " are not JSON", e);
    }
  }

  /** {@return a new document with every key of the method} */
  final ObjectNode newDocument() {
    return defaults.deepCopy();
  }

  @Override
  public final MethodConfig defaults() {
    return new MethodConfig(this, JSON.createObjectNode());
  }

  @Override
  public final String peftType() {
    return peftType;
  }

  /**
   * {@return the method's keys and values in a document, where it does not hold them as they are}
   */
  protected ObjectNode read(ObjectNode document) {
    return document;
  }

  /** {@return whether the method, or what writes its files, has a meaning for {@code key}} */
  protected boolean knows(String key) {
    return defaults.has(key);
  }

  @Override
  public final List<String> unknownKeys(AdapterConfig config) {
    ObjectNode json = config.toJson();
    json.properties().removeIf(entry -> knows(entry.getKey()));
    List<String> known = new ArrayList<>();
    defaults.fieldNames().forEachRemaining(known::add);
    return keys().unknown(peftType, json, known);
  }

  @Override
  public final MethodConfig parse(ObjectNode json) {
    MethodConfig config = new MethodConfig(this, read(json));
    if (defaults.has("target_modules")) {
      config.targets();
    }
    keys().refuseUnsupported(config.toJson());
    check(config);
    return config;
  }

  @Override
  public final MethodConfig settle(AdapterConfig config, Model model) {
    MethodConfig given = (MethodConfig) config;
    keys().refuseUnsupported(given.toJson());
    check(given);
    Targets targets = given.targets();
    MethodConfig settled =
        knows("modules_to_save") ? given.with("modules_to_save", targets.savedWithHead()) : given;
    if (defaults.has("target_modules") && targets.targetModules() == null) {
      ModuleSelector selector = defaultTargets(model.config().modelType());
      settled = settled.with("target_modules", selector == null ? null : selector.toJson());
    }
    return complete(settled, model);
  }

  @Override
  public final void build(AdapterConfig config, AdapterBuilder builder) {
    MethodConfig settled = (MethodConfig) config;
    build(settled, builder);
    builder.trainSavedModules(settled.targets());
  }

  /**
   * @throws IllegalArgumentException if a value is wrong; the message names the key
   */
  protected void check(MethodConfig config) {}

  /** {@return what is adapted where the config does not say}: what the family has for the method */
  protected ModuleSelector defaultTargets(String modelType) {
    return TargetMatcher.defaults(peftType, modelType);
  }

  /** {@return whether its config may give ranks and alphas by patterns of names} */
  protected boolean patterned() {
    return false;
  }

  /** {@return {@code config} with what else it leaves open settled for {@code model}} */
  protected MethodConfig complete(MethodConfig config, Model model) {
    return config;
  }

  /** Adds to the adapter what the method adds to the model. */
  protected abstract void build(MethodConfig config, AdapterBuilder builder);
}
