package io.peft4j.cli;

import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.AdapterHead;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.hub.HubConfig;
import io.peft4j.hub.ModelHub;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
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
    return classifier(locate(), adapter == null ? List.of() : List.of(adapter), options);
  }

  /** As {@link #load}, or a language model where the first adapter is for one. */
  Model loadAny(List<Path> adapters, LoadOptions options) throws IOException {
    Path folder = locate();
    return isLanguageModel(folder, adapters.get(0))
        ? CausalLm.load(folder, options).model()
        : classifier(folder, adapters, options);
  }

  private static Model classifier(Path folder, List<Path> adapters, LoadOptions options)
      throws IOException {
    return Model.load(folder, AdapterHead.of(folder, adapters, options));
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
}
