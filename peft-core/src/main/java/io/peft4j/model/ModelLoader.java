package io.peft4j.model;

import ai.djl.ndarray.NDManager;
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
  Model load(HeadKind kind) throws IOException {
    // what is wrong in the config comes before what is wrong in the weights
    kind.check(config);
    Family family = Families.of(config);
    Architecture architecture = family.architecture(config);
    Checkpoint checkpoint = openCheckpoint();
    try {
      return build(
          kind.plan(new HeadKind.Source(folder, config, architecture, checkpoint, options)),
          family,
          checkpoint);
    } catch (IOException | RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private Checkpoint openCheckpoint() throws IOException {
    return options.streaming() ? Checkpoint.openUnmapped(folder) : Checkpoint.open(folder);
  }

  private Model build(HeadKind.Plan plan, Family family, Checkpoint checkpoint) {
    Architecture architecture = plan.architecture();
    StoredNames names = new StoredNames(checkpoint, architecture.baseName(), family.renamed());
    checkLayers(family, architecture, checkpoint, names);
    NDManager manager = Natives.newManager(options.device());
    try {
      WeightFormat.Opened format = format(plan.config(), checkpoint, manager);
      Weights weights =
          new Weights(
              manager,
              checkpoint,
              names,
              options.precision(),
              architecture.initializerRange(),
              options.head() != LoadOptions.Head.TRAINED,
              options.head() == LoadOptions.Head.NEW ? plan.drawn() : null,
              format,
              options.streaming(),
              options.seed());
      Model model = new Model(plan, options, manager, checkpoint, weights);
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
