package io.peft4j.examples.cli;

import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.hub.HubConfig;
import io.peft4j.hub.ModelHub;
import io.peft4j.model.CausalLm;
import io.peft4j.model.LoadOptions;
import io.peft4j.model.Model;
import io.peft4j.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import picocli.CommandLine.Option;

/** Which model; see {@link ModelOptions} for how to run it. */
@Heading("Model")
class BaseOption {

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR|ID",
      description = "A Hugging Face model folder, or a hub id org/name[@revision].")
  private String model;

  /** {@return the model's folder, downloaded where need be} */
  Path locate() throws IOException {
    return locate(model);
  }

  /** {@return the folder of a model named by folder or hub id} */
  static Path locate(String model) throws IOException {
    return new ModelHub(HubConfig.fromEnvironment(System.getenv())).locate(model);
  }

  String name() {
    return model;
  }

  /**
   * Loads a classifier with the head that an adapter was trained for.
   *
   * @param adapter an adapter folder, or null for the bare model
   */
  Model load(Path adapter, LoadOptions options) throws IOException {
    return classifier(locate(), adapter, options);
  }

  /** As {@link #load}, or a language model where the adapter is for one. */
  Model loadAny(Path adapter, LoadOptions options) throws IOException {
    Path folder = locate();
    return isLanguageModel(folder, adapter)
        ? CausalLm.load(folder, options).model()
        : classifier(folder, adapter, options);
  }

  private static Model classifier(Path folder, Path adapter, LoadOptions options)
      throws IOException {
    return Model.load(folder, adapter == null ? options : headOf(adapter, options));
  }

  /** What the adapter says it was trained for; else what the base says it is. */
  private static boolean isLanguageModel(Path folder, Path adapter) throws IOException {
    for (Path part : AdapterMix.folders(adapter)) {
      String task = AdapterFiles.readConfig(part).toJson().path("task_type").asText("");
      if (task.equals("CAUSAL_LM") || task.equals("SEQ_CLS")) {
        return task.equals("CAUSAL_LM");
      }
    }
    String architecture = ModelConfig.read(folder).json().path("architectures").path(0).asText("");
    return architecture.endsWith("ForCausalLM") || architecture.endsWith("LMHeadModel");
  }

  /** The adapter's own {@code config.json} names its labels; a peft folder's head has a shape. */
  private static LoadOptions headOf(Path adapter, LoadOptions options) throws IOException {
    if (Files.exists(adapter.resolve("config.json"))) {
      ModelConfig config = ModelConfig.read(adapter);
      return options.withHead(config.task(), config.labels());
    }
    Map<String, List<Long>> shapes = new HashMap<>();
    for (Path folder : AdapterMix.folders(adapter)) {
      shapes.putAll(AdapterFiles.readShapes(folder));
    }
    for (String head : List.of("classifier.weight", "classifier.out_proj.weight", "score.weight")) {
      if (shapes.containsKey(head)) {
        int labels = Math.toIntExact(shapes.get(head).get(0));
        List<String> names = IntStream.range(0, labels).mapToObj(i -> "LABEL_" + i).toList();
        return options.withHead(
            labels == 1 ? Task.REGRESSION : Task.SINGLE_LABEL, LabelNames.of(names));
      }
    }
    return options;
  }
}
