package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Module;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft inspect}: what folders hold, and what a config would adapt. */
@Command(
    name = "inspect",
    description = "Show what a model or adapter folder holds, and what a config would adapt.",
    mixinStandardHelpOptions = true)
final class InspectCommand implements Callable<Integer> {

  @Mixin private OptionalModel model;

  @Option(names = "--adapter", paramLabel = "DIR", description = "An adapter folder.")
  private Path adapter;

  @AppliesTo(needs = "--model")
  @Option(names = "--targets", description = "Show the modules that the method would adapt.")
  private boolean targets;

  @AppliesTo(needs = "--targets")
  @Option(
      names = {"--task-type", "--task_type"},
      defaultValue = "SEQ_CLS",
      description = "peft's task type, for --targets. Default: ${DEFAULT-VALUE}.")
  private String taskType;

  @AppliesTo(needs = "--targets")
  @Mixin
  private MethodOptions method;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  /** As {@link BaseOption}, but a model need not be named. */
  static final class OptionalModel {
    @Option(names = "--model", paramLabel = "DIR|ID", description = "A model folder or hub id.")
    private String name;
  }

  @Override
  public Integer call() throws IOException {
    if (model.name == null && adapter == null) {
      throw new IllegalArgumentException("name a --model, an --adapter or both");
    }
    ObjectNode found = JsonNodeFactory.instance.objectNode();
    if (model.name != null) {
      inspectModel(BaseOption.locate(model.name), found.putObject("model"));
    }
    if (adapter != null) {
      List<String> names = AdapterMix.names(adapter);
      ObjectNode all = found.putObject("adapter");
      for (String name : names) {
        inspectAdapter(adapter.resolve(name), all.putObject(name));
      }
      if (names.isEmpty()) {
        inspectAdapter(adapter, all);
      }
    }
    if (json) {
      JsonOutput.println(System.out, found);
    } else {
      print(found, "");
    }
    return 0;
  }

  private void inspectModel(Path folder, ObjectNode found) throws IOException {
    ModelConfig modelConfig = ModelConfig.read(folder);
    found.put("folder", folder.toString());
    found.put("model_type", modelConfig.modelType());
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Map<String, Long> types = new TreeMap<>();
      QuantizedParts parts = QuantizedParts.of(checkpoint);
      long parameters = parts.parameters();
      for (String name : checkpoint.names()) {
        TensorInfo info = checkpoint.info(name);
        types.merge(info.dtype().name(), info.elements(), Long::sum);
        parameters += parts.contains(name) ? 0 : info.elements();
      }
      found.put("files", checkpoint.files().size());
      found.put("tensors", checkpoint.names().size());
      found.put("parameters", parameters);
      found.put("bytes", checkpoint.totalBytes());
      ObjectNode byType = found.putObject("elements_by_type");
      types.forEach(byType::put);
      parts.describe(found);
    }
    if (targets) {
      inspectTargets(folder, found);
    }
  }

  private void inspectTargets(Path folder, ObjectNode found) throws IOException {
    try (Model base = Model.load(folder, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(base)) {
      AdapterMix added = AdapterMix.add(adapted, method.configs(taskType, folder.toString()), 0);
      long total = base.modules().leaves().stream().mapToLong(Module::size).sum();
      found.put("trainable_parameters", added.parameterCount());
      found.put("trainable_percent", 100.0 * added.parameterCount() / total);
      ArrayNode names = found.putArray("targets");
      added.adapters().values().forEach(adapter -> adapter.targets().forEach(names::add));
    }
  }

  private static void inspectAdapter(Path folder, ObjectNode found) throws IOException {
    AdapterConfig adapterConfig = AdapterFiles.readConfig(folder);
    found.put("folder", folder.toString());
    found.set("config", adapterConfig.toJson());
    long parameters = 0;
    Map<String, List<Long>> shapes = AdapterFiles.readShapes(folder);
    for (List<Long> shape : shapes.values()) {
      parameters += shape.stream().reduce(1L, (a, b) -> a * b);
    }
    found.put("tensors", shapes.size());
    found.put("parameters", parameters);
    long bytes = 0;
    for (Path file : AdapterFiles.weights(folder)) {
      bytes += Files.size(file);
    }
    found.put("bytes", bytes);
    ObjectNode metadata = found.putObject("metadata");
    AdapterFiles.readMetadata(folder).forEach(metadata::put);
    ObjectNode tensors = found.putObject("shapes");
    shapes.forEach((name, shape) -> tensors.put(name, shape.toString()));
  }

  private static void print(ObjectNode node, String indent) {
    node.properties()
        .forEach(
            entry -> {
              if (entry.getValue() instanceof ObjectNode child) {
                System.out.println(indent + entry.getKey() + ":");
                print(child, indent + "  ");
              } else if (entry.getValue() instanceof ArrayNode array && array.size() > 3) {
                System.out.println(indent + entry.getKey() + ":");
                array.forEach(element -> System.out.println(indent + "  - " + element.asText()));
              } else if (entry.getValue().isIntegralNumber()) {
                System.out.printf(
                    Locale.ROOT, "%s%s: %,d%n", indent, entry.getKey(), entry.getValue().asLong());
              } else {
                String text =
                    entry.getValue().isValueNode()
                        ? entry.getValue().asText()
                        : entry.getValue().toString();
                System.out.println(indent + entry.getKey() + ": " + text);
              }
            });
  }
}
