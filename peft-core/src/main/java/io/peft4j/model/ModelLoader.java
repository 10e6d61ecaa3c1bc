package io.peft4j.model;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.torch.Natives;
import java.io.IOException;
import java.nio.file.Path;

/** Makes models of checkpoint folders: finds the family, the head and the weights' format. */
final class ModelLoader {

  private final Path folder;
  private final LoadOptions options;
  private final ModelConfig config;

  ModelLoader(Path folder, LoadOptions options) throws IOException {
    this.folder = folder;
    this.options = options;
    this.config = ModelConfig.read(folder);
  }

  /** See {@link Model#load}. */
  Model classifier() throws IOException {
    Architecture architecture = family();
    LabelNames labels = options.labels() != null ? options.labels() : config.labels();
    Task task = options.task() != null ? options.task() : config.task();
    return open(config.with(headConfig(task, labels)), architecture, task, labels);
  }

  /** See {@link CausalLm#load}. */
  Model languageModel() throws IOException {
    DecoderFamilies.of(config); // what is wrong in it comes before what is wrong in the weights
    Checkpoint checkpoint = openCheckpoint();
    try {
      ModelConfig settled = HeadTie.settled(config, checkpoint);
      return build(settled, DecoderFamilies.of(settled), null, null, checkpoint);
    } catch (IOException | RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private Checkpoint openCheckpoint() throws IOException {
    return options.streaming() ? Checkpoint.openUnmapped(folder) : Checkpoint.open(folder);
  }

  private Architecture family() {
    String type = config.modelType();
    if (EncoderSpec.knows(type)) {
      return EncoderSpec.of(config);
    }
    if (DecoderFamilies.knows(type)) {
      return DecoderFamilies.of(config);
    }
    throw config.unsupported("model_type", "bert, roberta, distilbert, " + DecoderFamilies.types());
  }

  private static ObjectNode headConfig(Task task, LabelNames labels) {
    ObjectNode changes = JsonNodeFactory.instance.objectNode();
    ObjectNode id2label = changes.putObject("id2label");
    labels.id2label().forEach((id, name) -> id2label.put(id.toString(), name));
    ObjectNode label2id = changes.putObject("label2id");
    labels.label2id().forEach(label2id::put);
    changes.put("problem_type", task.problemType());
    return changes;
  }

  private Model open(ModelConfig described, Architecture architecture, Task task, LabelNames labels)
      throws IOException {
    Checkpoint checkpoint = openCheckpoint();
    try {
      return build(described, architecture, task, labels, checkpoint);
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private Model build(
      ModelConfig described,
      Architecture architecture,
      Task task,
      LabelNames labels,
      Checkpoint checkpoint) {
    StoredNames names = new StoredNames(checkpoint, architecture.baseName());
    checkLayers(architecture, checkpoint, names);
    NDManager manager = Natives.newManager(options.device());
    try {
      WeightFormat.Opened format = format(described, checkpoint, manager);
      Weights weights =
          new Weights(
              manager,
              checkpoint,
              names,
              options.precision(),
              architecture.initializerRange(),
              options.labels() != null,
              format,
              options.streaming(),
              options.seed());
      Model model =
          new Model(described, architecture, task, labels, options, manager, checkpoint, weights);
      UnusedTensors.warn(checkpoint, names, format);
      return model;
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  private void checkLayers(Architecture architecture, Checkpoint checkpoint, StoredNames names) {
    int stored = names.layers(architecture.layerName());
    if (architecture.layers() > stored) {
      throw config.wrong(
          "'%s': expected at most %d, the layers that %s has; found %d"
              .formatted(config.layersKey(), stored, checkpoint.path(), architecture.layers()));
    }
  }

  private WeightFormat.Opened format(
      ModelConfig described, Checkpoint checkpoint, NDManager manager) {
    WeightFormat format =
        options.format() != null ? options.format() : WeightFormat.ofStored(described);
    return format == null ? null : format.open(described, checkpoint, manager);
  }
}
