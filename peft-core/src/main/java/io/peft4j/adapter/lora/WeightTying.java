package io.peft4j.adapter.lora;

import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.Model;
import io.peft4j.model.module.Linear;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * peft's {@code ensure_weight_tying}: what LoRA trains of a token embedding, be it factors or a
 * copy of the table, is also what it trains of the head that shares the table.
 */
final class WeightTying {

  private static final Logger LOGGER = LoggerFactory.getLogger(WeightTying.class);

  /** The modules that peft takes for embeddings here; those of other names it does not tie. */
  private static final List<String> NAMES = List.of("embed_tokens", "lm_head");

  private WeightTying() {}

  /** {@return the head that shares the embedding's table, or null} */
  static Linear head(Model model) {
    return model
        .modules()
        .outputEmbedding()
        .filter(linear -> linear.weight() != null)
        .filter(linear -> linear.weight().tied() == model.words().weight())
        .orElse(null);
  }

  /** {@return {@code config} with the embedding, and not the head, among what it names} */
  static LoraConfig settle(LoraConfig config, Model model) {
    if (!config.ensureWeightTying()) {
      return config;
    }
    Linear head = head(model);
    if (head == null) {
      LOGGER.warn("ensure_weight_tying: no head of the model shares the embedding's table");
      return config;
    }
    String words = model.words().name();
    if (named(config.modulesToSave())) {
      return config.toBuilder()
          .modulesToSave(withEmbedding(config.modulesToSave(), words, head.name()))
          .build();
    }
    ModuleSelector targets = config.targetModules();
    if (targets.isAllLinear() || !targeted(targets)) {
      LOGGER.warn(
          "ensure_weight_tying: neither target_modules nor modules_to_save names {} or {}",
          NAMES.get(0),
          NAMES.get(1));
      return config;
    }
    ModuleSelector tied =
        targets.regex() == null
            ? ModuleSelector.names(withEmbedding(targets.names(), words, head.name()))
            : targets.matches(words)
                ? targets
                : ModuleSelector.regex(
                    "(?:" + targets.regex() + "|" + words.replace(".", "\\.") + ")");
    return config.toBuilder().targetModules(tied).build();
  }

  /** {@return whether the settled {@code config} trains the embedding's table in full, tied} */
  static boolean saves(LoraConfig config, Model model) {
    return config.ensureWeightTying() && head(model) != null && named(config.modulesToSave());
  }

  /** {@return whether the settled {@code config} has factors for the embedding, tied} */
  static boolean adapts(LoraConfig config, Model model) {
    return config.ensureWeightTying()
        && head(model) != null
        && !named(config.modulesToSave())
        && !config.targetModules().isAllLinear()
        && targeted(config.targetModules());
  }

  private static boolean named(List<String> names) {
    return names != null
        && names.stream()
            .anyMatch(name -> NAMES.contains(name.substring(name.lastIndexOf('.') + 1)));
  }

  private static boolean targeted(ModuleSelector targets) {
    return targets.regex() == null
        ? named(targets.names())
        : NAMES.stream().anyMatch(targets::matches) || targets.matches("model.embed_tokens");
  }

  private static List<String> withEmbedding(List<String> names, String words, String head) {
    List<String> tied = new ArrayList<>(names);
    if (!tied.contains(words)) {
      tied.add(words);
    }
    tied.removeIf(name -> Pattern.matches("(.*\\.)?" + Pattern.quote(name), head));
    return tied;
  }
}
