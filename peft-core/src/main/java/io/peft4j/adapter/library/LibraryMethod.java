package io.peft4j.adapter.library;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.Model;
import io.peft4j.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A method whose config and files are those of the adapters library (Poth et al., 2023), version
 * 1.2: a document that holds a {@code config} and no {@code peft_type}, tensors under the names of
 * the library's modules, and a trained head in {@value #HEAD}.
 */
abstract class LibraryMethod extends DocumentMethod {

  private static final String HEAD = "model_head.safetensors";
  private static final String VERSION = "adapters.1.2.0";

  /** Keys around {@code config}, of the library's and of ours. */
  private static final List<String> AROUND =
      List.of(
          "model_type",
          "hidden_size",
          "model_name",
          "model_class",
          "name",
          "adapter_names",
          "version",
          "peft_type");

  /** Keys of the head's document only. */
  private static final List<String> OF_HEAD = List.of("label2id", "num_labels");

  /** Keys of ours, which the library has no word for. */
  private static final List<String> OURS =
      List.of(
          "auto_mapping",
          "base_model_name_or_path",
          "revision",
          "task_type",
          "inference_mode",
          "modules_to_save");

  private final String document;
  private final String weights;

  /**
   * @param defaults the library's keys of {@code config} and their values in a new one, as JSON
   * @param document the file that the config is in
   * @param weights the file that the tensors are in
   */
  LibraryMethod(String peftType, String defaults, String document, String weights) {
    super(peftType, defaults.strip().replaceFirst("\\}$", ", \"modules_to_save\": null}"));
    this.document = document;
    this.weights = weights;
  }

  /** {@return whether the library's {@code config} is one of this method's} */
  abstract boolean recognizesConfig(ObjectNode config);

  @Override
  public final boolean recognizes(ObjectNode json) {
    return !json.has("peft_type")
        && json.get("config") instanceof ObjectNode config
        && recognizesConfig(config);
  }

  @Override
  protected final boolean knows(String key) {
    return super.knows(key) || AROUND.contains(key) || OF_HEAD.contains(key) || OURS.contains(key);
  }

  @Override
  public final String document() {
    return document;
  }

  @Override
  protected final ObjectNode read(ObjectNode document) {
    if (!(document.get("config") instanceof ObjectNode config)) {
      return document;
    }
    ObjectNode flat = document.deepCopy();
    flat.remove("config");
    flat.setAll(config.deepCopy());
    return flat;
  }

  @Override
  public final Map<String, ObjectNode> documents(AdapterConfig config) {
    ObjectNode inner = config.toJson();
    ObjectNode around = JsonNodeFactory.instance.objectNode();
    for (String key : AROUND) {
      JsonNode value = inner.remove(key);
      if (value != null && !key.equals("peft_type")) {
        around.set(key, value);
      }
    }
    JsonNode saved = inner.path("modules_to_save");
    boolean head = saved.isArray() && !saved.isEmpty();
    ObjectNode headDocument = around.deepCopy();
    for (String key : OF_HEAD) {
      JsonNode value = inner.remove(key);
      if (value != null) {
        headDocument.set(key, value);
      }
    }
    inner.remove(OURS);
    around.set("config", written(inner));
    Map<String, ObjectNode> documents = new LinkedHashMap<>();
    documents.put(document, around);
    if (head) {
      headDocument.remove("adapter_names");
      headDocument.putNull("config");
      headDocument.putNull("name");
      documents.put("head_config.json", headDocument);
    }
    return documents;
  }

  /** {@return what is written of {@code config}, which may be changed} */
  ObjectNode written(ObjectNode config) {
    return config;
  }

  /** A head has a file of its own, which says what is trained in full. */
  @Override
  public final AdapterConfig inFolder(AdapterConfig config, Path folder) throws IOException {
    if (!Files.exists(folder.resolve(HEAD))) {
      return config;
    }
    try (SafetensorsFile head = SafetensorsFile.open(folder.resolve(HEAD))) {
      List<String> modules =
          head.tensors().keySet().stream()
              .map(key -> key.substring(0, key.lastIndexOf('.')))
              .distinct()
              .toList();
      MethodConfig saved = ((MethodConfig) config).with("modules_to_save", modules);
      boolean classifier = modules.stream().anyMatch(name -> name.matches("classifier.*|score"));
      return classifier ? saved.with("task_type", "SEQ_CLS") : saved;
    }
  }

  /** {@return whether {@code key} is of the method, not of a module trained in full} */
  abstract boolean owns(String key);

  @Override
  public final String fileOf(String key) {
    return owns(key) ? weights : HEAD;
  }

  @Override
  public final List<String> files() {
    return List.of(weights, HEAD);
  }

  @Override
  public final String onDisk(String key) {
    return key;
  }

  @Override
  protected final ModuleSelector defaultTargets(String modelType) {
    return null;
  }

  @Override
  protected MethodConfig complete(MethodConfig config, Model model) {
    MethodConfig settled = config;
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("name", "adapter");
    facts.put("model_type", model.config().modelType());
    facts.put("hidden_size", model.sizes().hidden());
    facts.put("model_name", config.text("base_model_name_or_path"));
    facts.put("model_class", model.config().json().path("architectures").path(0).asText(null));
    facts.put("version", VERSION);
    model
        .head()
        .labels()
        .ifPresent(
            labels -> {
              facts.put("label2id", labels.label2id());
              facts.put("num_labels", labels.size());
            });
    for (Map.Entry<String, Object> fact : facts.entrySet()) {
      if (config.get(fact.getKey()) == null) {
        settled = settled.with(fact.getKey(), fact.getValue());
      }
    }
    return settled;
  }
}
