package io.peft4j.adapter;

import io.peft4j.model.Linear;
import io.peft4j.model.Module;
import io.peft4j.model.ModuleTree;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Finds the modules that a config means, by peft's rules. */
final class TargetMatcher {

  /** Names that sequence-classification heads have; "all-linear" leaves them out. */
  private static final Set<String> CLASSIFIERS = Set.of("classifier", "score");

  /** What peft adapts in a family by most methods. */
  private static final Map<String, List<String>> DEFAULTS =
      Map.ofEntries(
          Map.entry("bert", List.of("query", "value")),
          Map.entry("roberta", List.of("query", "value")),
          Map.entry("distilbert", List.of("q_lin", "v_lin")),
          Map.entry("llama", List.of("q_proj", "v_proj")),
          Map.entry("mistral", List.of("q_proj", "v_proj")),
          Map.entry("qwen2", List.of("q_proj", "v_proj")),
          Map.entry("qwen3", List.of("q_proj", "v_proj")),
          Map.entry("gemma2", List.of("q_proj", "v_proj")),
          Map.entry("gpt2", List.of("c_attn")),
          Map.entry("gpt_neox", List.of("query_key_value")));

  private static final Pattern ANY_LAYER = Pattern.compile(".*?\\.[^.]*\\.(\\d+)\\..*");

  private final Targets config;

  private TargetMatcher(Targets config) {
    this.config = config;
  }

  /** As {@link #defaults(Map, String)}, for LoRA and what is like it. */
  static ModuleSelector defaults(String modelType) {
    return defaults(DEFAULTS, modelType);
  }

  /**
   * {@return the targets that peft takes for a model family where none are given}
   *
   * @throws IllegalArgumentException if there is no default for that family
   */
  static ModuleSelector defaults(Map<String, List<String>> byFamily, String modelType) {
    List<String> names = byFamily.get(String.valueOf(modelType));
    if (names == null) {
      throw new IllegalArgumentException(
          "target_modules is missing, and there is no default for model_type " + modelType);
    }
    return new ModuleSelector(names, null);
  }

  /**
   * @param kinds what the method adapts
   * @return the leaves that {@code config} adapts, in the order they run; at least one
   * @throws IllegalArgumentException if there are none (with the names that come near), or one is
   *     not of {@code kinds}
   */
  static List<Module> find(Targets config, ModuleTree modules, Set<Class<? extends Module>> kinds) {
    TargetMatcher matcher = new TargetMatcher(config);
    List<Module> found = new ArrayList<>();
    for (Module leaf : modules.leaves()) {
      boolean meant =
          config.targetModules().isAllLinear()
              ? leaf instanceof Linear && matcher.inAllLinear(leaf.name(), modules)
              : matcher.targets(leaf.name());
      if (!meant) {
        continue;
      }
      if (kinds.stream().noneMatch(kind -> kind.isInstance(leaf))) {
        throw new IllegalArgumentException(
            "target_modules: '"
                + leaf.name()
                + "' is a "
                + leaf.getClass().getSimpleName()
                + "; this method adapts "
                + String.join(", ", kinds.stream().map(Class::getSimpleName).sorted().toList()));
      }
      if (savedWhole(config, leaf.name())) {
        throw new IllegalArgumentException(
            leaf.name()
                + ": is targeted, and named by modules_to_save "
                + config.modulesToSave()
                + " too, which match the end of a name; exclude it from one");
      }
      found.add(leaf);
    }
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "target_modules "
              + config.targetModules().toJson()
              + " names nothing in the model; near: "
              + String.join(", ", nearMisses(config.targetModules(), modules, kinds)));
    }
    return found;
  }

  /**
   * {@return the modules that are trained in full} As in peft, a name means every module whose name
   * ends in it, so that {@code classifier} takes {@code pre_classifier} along.
   */
  static List<String> savedModules(Targets config, ModuleTree modules) {
    return modules.names().stream().filter(name -> endsLikeSaved(config, name)).toList();
  }

  private static boolean endsLikeSaved(Targets config, String name) {
    return config.modulesToSave() != null
        && config.modulesToSave().stream().anyMatch(name::endsWith);
  }

  /** {@return whether {@code leaf} or a module around it is trained in full} */
  private static boolean savedWhole(Targets config, String leaf) {
    for (int dot = leaf.indexOf('.'); dot >= 0; dot = leaf.indexOf('.', dot + 1)) {
      if (endsLikeSaved(config, leaf.substring(0, dot))) {
        return true;
      }
    }
    return endsLikeSaved(config, leaf);
  }

  private boolean inAllLinear(String name, ModuleTree modules) {
    boolean head =
        name.equals(modules.outputEmbedding())
            || ("SEQ_CLS".equals(config.taskType()) && CLASSIFIERS.contains(name));
    return !head && !excluded(config, name);
  }

  /** {@return whether {@code name} is targeted and not excluded} */
  boolean targets(String name) {
    if (excluded(config, name)) {
      return false;
    }
    ModuleSelector targets = config.targetModules();
    if (targets.regex() != null || targets.namesExactly(name)) {
      return targets.matches(name);
    }
    return targets.matches(name) && inLayers(name);
  }

  static boolean targets(Targets config, String name) {
    return new TargetMatcher(config).targets(name);
  }

  /** {@return whether a linear layer called {@code name} is targeted and not excluded} */
  static boolean targetsLinear(Targets config, String name) {
    return config.targetModules().isAllLinear() ? !excluded(config, name) : targets(config, name);
  }

  private static boolean excluded(Targets config, String name) {
    return (config.excludeModules() != null && config.excludeModules().matches(name))
        || (config.modulesToSave() != null
            && config.modulesToSave().stream().anyMatch(saved -> isOrHolds(saved, name)));
  }

  /** {@return whether the module named {@code saved} is {@code name} or contains it} */
  private static boolean isOrHolds(String saved, String name) {
    return Pattern.matches("(^|.*\\.)" + saved + "($|\\..*)", name);
  }

  private boolean inLayers(String name) {
    List<Integer> layers = config.layersToTransform();
    if (layers == null || layers.isEmpty()) {
      return true;
    }
    List<String> lists = config.layersPattern();
    if (lists == null || lists.isEmpty()) {
      return numbered(ANY_LAYER.matcher(name), layers);
    }
    for (String list : lists) {
      Matcher matcher = Pattern.compile("(?:^|.*?\\.)" + list + "\\.(\\d+)\\..*").matcher(name);
      if (matcher.matches()) {
        return numbered(matcher, layers);
      }
    }
    return false;
  }

  private static boolean numbered(Matcher matcher, List<Integer> layers) {
    return matcher.matches() && layers.contains(Integer.valueOf(matcher.group(1)));
  }

  /** {@return the value of the first key, a regular expression, that {@code module} ends in} */
  static <T> T byPattern(Map<String, T> patterns, String module, T otherwise) {
    for (Map.Entry<String, T> entry : patterns.entrySet()) {
      if (Pattern.matches("(.*\\.)?(" + entry.getKey() + ")", module)) {
        return entry.getValue();
      }
    }
    return otherwise;
  }

  /** Names of leaves whose last parts are spelled most like what was asked for. */
  private static List<String> nearMisses(
      ModuleSelector selector, ModuleTree modules, Set<Class<? extends Module>> kinds) {
    List<String> wanted = selector.regex() != null ? List.of(selector.regex()) : selector.names();
    return modules.leaves().stream()
        .filter(leaf -> kinds.stream().anyMatch(kind -> kind.isInstance(leaf)))
        .map(leaf -> leaf.name().replaceFirst("^.*\\.\\d+\\.", ""))
        .distinct()
        .sorted(
            Comparator.comparingInt(
                name -> wanted.stream().mapToInt(want -> distance(want, name)).min().orElse(0)))
        .limit(5)
        .toList();
  }

  /** Edits between {@code wanted} and the end of {@code name} after any dot (Levenshtein, 1966). */
  private static int distance(String wanted, String name) {
    int best = levenshtein(wanted, name);
    for (int dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      best = Math.min(best, levenshtein(wanted, name.substring(dot + 1)));
    }
    return best;
  }

  private static int levenshtein(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
