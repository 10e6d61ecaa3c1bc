package io.peft4j.model;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.LabelNames;
import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.HeadTie;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.StoredNames;
import io.peft4j.model.load.UnusedTensors;
import io.peft4j.model.load.WeightFormat;
import io.peft4j.model.load.Weights;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.torch.Natives;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;

/** Makes models of checkpoint folders: finds the family, the head and the weights' format. */
final class ModelLoader {

  private final Path folder;
  private final LoadOptions options;
  private final ModelConfig config;

  ModelLoader(Path folder, LoadOptions options) throws IOException {
    this.folder = folder;
    this.options = options;
    this.config = Families.config(folder);
  }

  /** See {@link Model#load}. */
  Model classifier() throws IOException {
    Family family = Families.of(config);
    Architecture architecture = family.architecture(config);
    Checkpoint checkpoint = openCheckpoint();
    try {
      HeadIdentity head = head(architecture, checkpoint);
      return build(described(head), family, architecture, head, checkpoint);
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  /** See {@link CausalLm#load}. */
  Model languageModel() throws IOException {
    DecoderFamily family = Families.of(config, DecoderFamily.class);
    family.architecture(config); // what is wrong in it comes before what is wrong in the weights
    Checkpoint checkpoint = openCheckpoint();
    try {
      ModelConfig settled = HeadTie.settled(config, checkpoint);
      return build(settled, family, family.architecture(settled), null, checkpoint);
    } catch (IOException | RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private Checkpoint openCheckpoint() throws IOException {
    return options.streaming() ? Checkpoint.openUnmapped(folder) : Checkpoint.open(folder);
  }

  private HeadIdentity head(Architecture architecture, Checkpoint checkpoint) {
    HeadIdentity own = HeadIdentity.of(folder, config, checkpoint, architecture.headName());
    if (options.head() != LoadOptions.Head.TRAINED) {
      return own.replaced(options.task(), options.labels());
    }
    boolean asked = options.task() != null || options.labels() != null;
    return asked ? own.meet(options.task(), options.labels()) : own;
  }

  /** The names say the number. */
  private ModelConfig described(HeadIdentity head) {
    ModelConfig described = config.without("num_labels").with(headConfig(head.labels()));
    return head.written() == null
        ? described
        : described.with(
            JsonNodeFactory.instance
                .objectNode()
                .put("problem_type", head.written().problemType()));
  }

  private static ObjectNode headConfig(LabelNames labels) {
    ObjectNode changes = JsonNodeFactory.instance.objectNode();
    ObjectNode id2label = changes.putObject("id2label");
    labels.id2label().forEach((id, name) -> id2label.put(id.toString(), name));
    ObjectNode label2id = changes.putObject("label2id");
    labels.label2id().forEach(label2id::put);
    return changes;
  }

  private Model build(
      ModelConfig described,
      Family family,
      Architecture architecture,
      HeadIdentity head,
      Checkpoint checkpoint) {
    StoredNames names = new StoredNames(checkpoint, architecture.baseName(), family.renamed());
    checkLayers(family, architecture, checkpoint, names);
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
              options.head() != LoadOptions.Head.TRAINED,
              options.head() == LoadOptions.Head.NEW ? architecture.headName() : null,
              format,
              options.streaming(),
              options.seed());
      Model model = new Model(described, architecture, head, options, manager, checkpoint, weights);
      UnusedTensors.warn(checkpoint, names, format, Families.any(Family::heads));
      return model;
    } catch (RuntimeException e) {
      manager.close();
      throw e;
    }
  }

  private void checkLayers(
      Family family, Architecture architecture, Checkpoint checkpoint, StoredNames names) {
    int stored = names.layers(architecture.layerName());
    if (architecture.layers() > stored) {
      throw config.wrong(
          String.format(
              Locale.ROOT,
              "'%s': expected at most %d, the layers that %s has; found %d",
              config.said(family.layersKey()),
              stored,
              checkpoint.path(),
              architecture.layers()));
    }
  }

  private WeightFormat.Opened format(
      ModelConfig described, Checkpoint checkpoint, NDManager manager) {
    WeightFormat format =
        options.format() != null ? options.format() : WeightFormat.ofStored(described);
    return format == null ? null : format.open(described, checkpoint, manager);
  }
}
