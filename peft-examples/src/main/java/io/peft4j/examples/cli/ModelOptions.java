package io.peft4j.examples.cli;

import io.peft4j.adapter.AdaptedModel;
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
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.torch.Devices;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which model to run. */
final class ModelOptions {

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR|ID",
      description = "A Hugging Face model folder, or a hub id org/name[@revision].")
  private String model;

  @Option(
      names = "--bf16",
      negatable = true,
      fallbackValue = "true",
      description = "Compute in bfloat16. Default: only with --method qlora.")
  private Boolean bf16;

  @Mixin private QuantizationOptions quantization;

  @Option(
      names = "--stream-layers",
      description =
          "Map each layer's weights while it runs and unmap them after, for models larger than"
              + " memory.")
  private boolean streamLayers;

  @Option(
      names = "--device",
      defaultValue = "cpu",
      description =
          "cpu, cuda, cuda:N, or auto: the first GPU if there is one that can be used."
              + " Default: ${DEFAULT-VALUE}.")
  private String device;

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

  LoadOptions loadOptions() {
    return loadOptions(false);
  }

  /**
   * {@return how to load the model}
   *
   * @param qlora whether to do what QLoRA does where nothing else is said: NF4 with double
   *     quantization, in bfloat16
   */
  LoadOptions loadOptions(boolean qlora) {
    boolean half = bf16 == null ? qlora : bf16;
    return LoadOptions.DEFAULT
        .withPrecision(half ? Precision.BFLOAT16 : Precision.FLOAT32)
        .withFormat(format(qlora))
        .withStreaming(streamLayers)
        .withDevice(Devices.named(device));
  }

  /**
   * {@return the format that weights are asked to be in, or null for the one they are stored in}
   */
  QuantizedFormat format(boolean qlora) {
    QuantizationConfig config = quantization.config(qlora);
    return config == null ? null : QuantizedFormat.of(config).skipping(quantization.skip());
  }

  /**
   * Loads a classifier with the head that an adapter was trained for.
   *
   * @param adapter an adapter folder, or null for the bare model
   */
  Model load(Path adapter, LoadOptions options) throws IOException {
    Path folder = locate();
    if (adapter == null) {
      return Model.load(folder, options);
    }
    return Model.load(folder, headOf(adapter, options));
  }

  /** As {@link #load}, or a language model where the adapter is for one. */
  Model loadAny(Path adapter, LoadOptions options) throws IOException {
    Path folder = locate();
    return isLanguageModel(folder, adapter)
        ? CausalLm.load(folder, options).model()
        : load(adapter, options);
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

  /** Puts {@code adapter}, if any, on {@code model} and makes it active. */
  static AdaptedModel adapt(Model model, Path adapter) throws IOException {
    AdaptedModel adapted = new AdaptedModel(model);
    if (adapter != null) {
      try {
        AdapterMix.load(adapted, adapter);
      } catch (IOException | RuntimeException e) {
        adapted.close();
        throw e;
      }
    }
    return adapted;
  }
}
