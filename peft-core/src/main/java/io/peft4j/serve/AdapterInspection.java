package io.peft4j.serve;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.data.LabelNames;
import io.peft4j.model.HeadIdentity;
import io.peft4j.model.Model;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Looks into an adapter's folder before it is needed, without reading its weights: config, header
 * of the tensors, which base it is for.
 */
final class AdapterInspection {

  /** Made of other adapters, which would have to be loaded with it. */
  private static final Set<String> COMPOSED = Set.of("FUSION", "AVERAGE");

  private final Model model;
  private final long budget;

  /**
   * @param budget bytes of adapters in memory
   */
  AdapterInspection(Model model, long budget) {
    this.model = model;
    this.budget = budget;
  }

  /**
   * {@return what the folder says}
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if it cannot be served; the message says why
   */
  AdapterVersion.Facts look(Path folder) throws IOException {
    FolderStamp stamp = FolderStamp.of(folder);
    AdapterConfig config = AdapterFiles.readConfig(folder);
    if (COMPOSED.contains(config.peftType())) {
      throw new IllegalArgumentException(
          folder + ": " + config.peftType() + " is made of other adapters, and is not served");
    }
    checkTask(folder, config);
    checkBase(folder);
    Map<String, List<Long>> shapes = AdapterFiles.readShapes(folder);
    shapes.forEach((key, shape) -> checkShape(folder, key, shape));
    long bytes = Float.BYTES * shapes.values().stream().mapToLong(AdapterInspection::size).sum();
    if (bytes > budget) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: takes %d bytes in memory; expected at most %d, the budget for all adapters",
              folder,
              bytes,
              budget));
    }
    int outputs = outputs(folder, shapes);
    return new AdapterVersion.Facts(
        folder,
        config,
        config instanceof LoraConfig lora ? lora.r() : 0,
        config.toJson().path("base_model_name_or_path").asText(null),
        outputs,
        labels(folder, outputs),
        bytes,
        stamp);
  }

  private void checkTask(Path folder, AdapterConfig config) {
    String task = config.toJson().path("task_type").asText(null);
    String own = model.head().taskType();
    boolean heads = Set.of("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "CAUSAL_LM").contains(own);
    if (task != null && heads && !task.equals(own) && !task.equals("FEATURE_EXTRACTION")) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: task_type: expected %s, which the model's head is for, found %s",
              folder.resolve(AdapterFiles.CONFIG),
              own,
              task));
    }
  }

  private void checkBase(Path folder) throws IOException {
    String expected = AdapterFiles.readMetadata(folder).get(AdaptedModel.BASE_SHA256);
    if (expected != null && !expected.equals(model.fingerprint())) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: was trained on a base with SHA-256 %s; this one has %s",
              folder,
              expected,
              model.fingerprint()));
    }
  }

  /** Of LoRA, whose tensors say in their names where they go. */
  private void checkShape(Path folder, String key, List<Long> shape) {
    for (boolean a : new boolean[] {true, false}) {
      String suffix = a ? ".lora_A.weight" : ".lora_B.weight";
      if (!key.endsWith(suffix) || shape.size() != 2) {
        continue;
      }
      String name = key.substring(0, key.length() - suffix.length());
      Linear linear = linear(name);
      if (linear == null) {
        throw new IllegalArgumentException(
            folder + ": tensor '" + key + "': the model has no linear layer '" + name + "'");
      }
      long expected = a ? linear.projection().in() : linear.projection().out();
      long found = shape.get(a ? 1 : 0);
      if (expected != found && !name.equals(headName())) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: tensor '%s': expected %d for the model's %s, found shape %s",
                folder,
                key,
                expected,
                name,
                shape));
      }
    }
  }

  /** A model without a head has shorter names, which adapters may have been saved under. */
  private Linear linear(String name) {
    for (Module leaf : model.modules().leaves()) {
      if (leaf instanceof Linear linear
          && (leaf.name().equals(name) || leaf.name().endsWith("." + name))) {
        return linear;
      }
    }
    return null;
  }

  private static long size(List<Long> shape) {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  /** {@return the module whose outputs are a classifier's labels, or null} */
  String headName() {
    Family family = Families.find(model.config().modelType());
    return family == null || model.head().labels().isEmpty() ? null : family.classifierHead();
  }

  private int outputs(Path folder, Map<String, List<Long>> shapes) {
    String head = headName();
    List<Long> shape = head == null ? null : shapes.get(head + ".weight");
    return shape == null ? 0 : HeadIdentity.outputs(folder, head + ".weight", shape);
  }

  private LabelNames labels(Path folder, int outputs) throws IOException {
    LabelNames own = model.head().labels().orElse(null);
    if (own == null || outputs == 0) {
      return own;
    }
    if (Files.exists(folder.resolve("config.json"))) {
      ModelConfig beside = ModelConfig.read(folder);
      if (beside.saysLabels()) {
        if (beside.labels().size() != outputs) {
          throw new IllegalArgumentException(
              String.format(
                  Locale.ROOT,
                  "%s: its head has %d outputs, its config.json the labels %s",
                  folder,
                  outputs,
                  beside.labels()));
        }
        return beside.labels();
      }
    }
    return own.size() == outputs ? own : LabelNames.generic(outputs);
  }
}
