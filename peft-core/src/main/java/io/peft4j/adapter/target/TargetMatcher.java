package io.peft4j.adapter.target;

import io.peft4j.adapter.regex.PythonRegex;
import io.peft4j.io.Spelling;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.ModuleTree;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;

/** Finds the modules that a config means, by peft's rules. */
public final class TargetMatcher {

  /** Names that sequence-classification heads have; "all-linear" leaves them out. */
  private static final Set<String> CLASSIFIERS = Set.of("classifier", "score");

  private static final String NOTHING = "names nothing in the model";

  private final Targets config;
  private final Predicate<String> targeted;
  private final Predicate<String> excluded;
  private final List<PythonRegex> lists;

  private TargetMatcher(Targets config) {
    PythonRegex.Budget budget = new PythonRegex.Budget();
    this.config = config;
    this.targeted = config.targetModules().matcher();
    this.excluded = excluded(config, budget);
    this.lists = lists(config, budget);
  }

  private static Predicate<String> excluded(Targets config, PythonRegex.Budget budget) {
    Predicate<String> named =
        config.excludeModules() == null ? name -> false : config.excludeModules().matcher();
    if (config.modulesToSave() == null) {
      return named;
    }
    // What is saved whole, or is in something that is.
    List<PythonRegex> saved =
        config.modulesToSave().stream()
            .map(name -> PythonRegex.compile("(^|.*\\.)" + name + "($|\\..*)", budget))
            .toList();
    return named.or(name -> saved.stream().anyMatch(regex -> regex.matches(name)));
  }

  /** What finds the number of a layer in a name, as the group {@code idx}. */
  private static List<PythonRegex> lists(Targets config, PythonRegex.Budget budget) {
    if (config.layersPattern() == null || config.layersPattern().isEmpty()) {
      return List.of(PythonRegex.compile(".*?\\.[^.]*\\.(?P<idx>\\d+)\\.", budget));
    }
    return config.layersPattern().stream()
        .map(list -> PythonRegex.compile("(?:^|.*?\\.)" + list + "\\.(?P<idx>\\d+)\\.", budget))
        .toList();
  }

  /**
   * {@return the targets that peft takes for a model family where none are given}
   *
   * @param peftType the method
   * @throws IllegalArgumentException if there is no default for that family
   */
  public static ModuleSelector defaults(String peftType, String modelType) {
    Family family = Families.find(modelType);
    List<String> names = family == null ? List.of() : family.defaultTargets(peftType);
    if (names.isEmpty()) {
      throw new IllegalArgumentException(
          "target_modules is missing, and there is no default for model_type " + modelType);
    }
    return ModuleSelector.names(names);
  }

  /**
   * @param kinds what the method adapts
   * @return the leaves that {@code config} adapts, in the order they run; at least one
   * @throws IllegalArgumentException if there are none (with the names that come near), or one is
   *     not of {@code kinds}
   */
  public static List<Module> find(
      Targets config, ModuleTree modules, Set<Class<? extends Module>> kinds) {
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
  public static List<String> savedModules(Targets config, ModuleTree modules) {
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
        modules.outputEmbedding().filter(linear -> linear.name().equals(name)).isPresent()
            || ("SEQ_CLS".equals(config.taskType()) && CLASSIFIERS.contains(name));
    return !head && !excluded.test(name);
  }

  /** {@return whether {@code name} is targeted and not excluded} */
  public boolean targets(String name) {
    if (excluded.test(name) || !targeted.test(name)) {
      return false;
    }
    ModuleSelector targets = config.targetModules();
    return targets.regex() != null || targets.namesExactly(name) || inLayers(name);
  }

  public static boolean targets(Targets config, String name) {
    return new TargetMatcher(config).targets(name);
  }

  /** {@return whether a linear layer called {@code name} is targeted and not excluded} */
  public static boolean targetsLinear(Targets config, String name) {
    TargetMatcher matcher = new TargetMatcher(config);
    return config.targetModules().isAllLinear()
        ? !matcher.excluded.test(name)
        : matcher.targets(name);
  }

  private boolean inLayers(String name) {
    List<Integer> layers = config.layersToTransform();
    if (layers == null || layers.isEmpty()) {
      return true;
    }
    Integer layer = layer(name);
    return layer != null && layers.contains(layer);
  }

  /** {@return the number of the layer that {@code name} is in, or null} */
  private Integer layer(String name) {
    for (PythonRegex list : lists) {
      String number = list.groupAtStart(name, "idx");
      if (number != null) {
        return Integer.valueOf(number);
      }
    }
    return null;
  }

  /**
   * {@return of what {@code config} names, sentences on what is not there}: single targets,
   * exclusions, layers and their lists. What all of it means may well be something.
   */
  public static List<String> idle(
      Targets config, ModuleTree modules, Set<Class<? extends Module>> kinds) {
    TargetMatcher matcher = new TargetMatcher(config);
    List<String> idle = new ArrayList<>();
    List<String> leaves = modules.leaves().stream().map(Module::name).toList();
    List<String> near =
        modules.leaves().stream()
            .filter(leaf -> kinds.stream().anyMatch(kind -> kind.isInstance(leaf)))
            .map(Module::name)
            .toList();
    unnamed(config.targetModules(), leaves)
        .forEach(name -> idle.add("target_modules: " + nothingCalled(name, near, NOTHING)));
    if (config.excludeModules() != null) {
      unnamed(config.excludeModules(), modules.names())
          .forEach(name -> idle.add("exclude_modules: " + nothingCalled(name, near, NOTHING)));
    }
    if (config.layersToTransform() != null && config.targetModules().names() != null) {
      List<Integer> layers =
          leaves.stream()
              .filter(matcher.targeted.and(matcher.excluded.negate()))
              .map(matcher::layer)
              .filter(Objects::nonNull)
              .distinct()
              .sorted()
              .toList();
      List<PythonRegex> lists = config.layersPattern() == null ? List.of() : matcher.lists;
      for (int i = 0; i < lists.size() && !config.layersPattern().isEmpty(); i++) {
        PythonRegex list = lists.get(i);
        if (leaves.stream().noneMatch(leaf -> list.groupAtStart(leaf, "idx") != null)) {
          idle.add("layers_pattern: '" + config.layersPattern().get(i) + "' " + NOTHING);
        }
      }
      for (Integer layer : config.layersToTransform()) {
        if (!layers.contains(layer)) {
          idle.add(
              String.format(
                  Locale.ROOT,
                  "layers_to_transform: no module to adapt is in layer %d; there are %s",
                  layer,
                  layers));
        }
      }
    }
    return idle;
  }

  /** As {@link #idle}, of {@code modules_to_save}; a classifier need not have both usual names. */
  public static List<String> idleSaved(Targets config, ModuleTree modules) {
    return config.modulesToSave().stream()
        .filter(name -> modules.names().stream().noneMatch(module -> module.endsWith(name)))
        .filter(name -> !config.heads().contains(name))
        .map(name -> "modules_to_save: " + nothingCalled(name, modules.names(), NOTHING))
        .toList();
  }

  private static List<String> unnamed(ModuleSelector selector, List<String> modules) {
    if (selector.isAllLinear() || "".equals(selector.regex())) {
      return List.of();
    }
    if (selector.regex() != null) {
      return modules.stream().anyMatch(selector.matcher()) ? List.of() : List.of(selector.regex());
    }
    return selector.names().stream()
        .filter(name -> modules.stream().noneMatch(module -> ModuleSelector.names(name, module)))
        .toList();
  }

  /** {@return that {@code wanted} names nothing, and which of {@code modules} come near} */
  public static String nothingCalled(String wanted, List<String> modules, String nothing) {
    return String.format(
        Locale.ROOT,
        "'%s' %s; near: %s",
        wanted,
        nothing,
        String.join(", ", nearest(List.of(wanted), modules)));
  }

  /** Names of leaves whose last parts are spelled most like what was asked for. */
  private static List<String> nearMisses(
      ModuleSelector selector, ModuleTree modules, Set<Class<? extends Module>> kinds) {
    List<String> wanted = selector.regex() != null ? List.of(selector.regex()) : selector.names();
    return nearest(
        wanted,
        modules.leaves().stream()
            .filter(leaf -> kinds.stream().anyMatch(kind -> kind.isInstance(leaf)))
            .map(Module::name)
            .toList());
  }

  private static List<String> nearest(List<String> wanted, List<String> modules) {
    return modules.stream()
        .map(name -> name.replaceFirst("^.*\\.\\d+\\.", ""))
        .distinct()
        .sorted(
            Comparator.comparingInt(
                name -> wanted.stream().mapToInt(want -> distance(want, name)).min().orElse(0)))
        .limit(5)
        .toList();
  }

  /** Edits between {@code wanted} and the end of {@code name} after any dot (Levenshtein, 1966). */
  private static int distance(String wanted, String name) {
    int best = Spelling.distance(wanted, name);
    for (int dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      best = Math.min(best, Spelling.distance(wanted, name.substring(dot + 1)));
    }
    return best;
  }
}
