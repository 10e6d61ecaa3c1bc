package io.peft4j.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.adapter.method.Floats;
import io.peft4j.model.Model;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.torch.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Tensors of the base itself in an adapter's file. peft saves the token embedding and the head
 * where they are adapted or the vocabulary has been resized, and what saved modules replace; when
 * it loads the adapter, these go into the base. Here the base is never written to: what differs
 * from it lies over it while the adapter is active, and what does not is redundant.
 */
final class CarriedTensors implements AutoCloseable {

  /** How peft names the base's part of a module that it has wrapped. */
  private static final Pattern WRAPPED =
      Pattern.compile("(.*)\\.(base_layer|original_module)\\.(.+)");

  /** A tensor that differs from the base's; its value is null where the shape rules it out. */
  private record Found(
      String key, String wrapper, Module module, Parameter parameter, NDArray value) {
    Parameter root() {
      return parameter.tied() == null ? parameter : parameter.tied();
    }
  }

  private record Place(Module module, Parameter parameter) {}

  private final Model model;
  private final NDManager manager;
  private final Set<String> redundant = new HashSet<>();
  private final List<Found> different = new ArrayList<>();

  private CarriedTensors(Model model) {
    this.model = model;
    this.manager = model.manager().newSubManager();
  }

  /**
   * Reads those in an adapter's folder.
   *
   * @throws IllegalArgumentException if one holds a number that is not finite
   */
  static CarriedTensors read(Path folder, AdapterConfig config, Model model) throws IOException {
    CarriedTensors carried = new CarriedTensors(model);
    AdapterMethod method = AdapterMethods.named(config.peftType());
    if (!method.files().equals(List.of(AdapterFiles.WEIGHTS))) {
      return carried; // another library's, which saves nothing of the base
    }
    Map<String, Place> places = new HashMap<>();
    for (Module module : model.modules().leaves()) {
      for (Parameter parameter : module.parameters()) {
        String key = AdapterFiles.keyOnDisk(method, config, parameter.name());
        places.put(key, new Place(module, parameter));
      }
    }
    Path path = folder.resolve(AdapterFiles.WEIGHTS);
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      for (Map.Entry<String, TensorInfo> entry : AdapterFiles.byKey(path, file).entrySet()) {
        String key = entry.getKey();
        TensorInfo info = entry.getValue();
        Matcher wrapped = WRAPPED.matcher(key);
        boolean inside = wrapped.matches();
        Place place = places.get(inside ? wrapped.group(1) + "." + wrapped.group(3) : key);
        if (place != null) {
          carried.add(file, info, key, inside ? wrapped.group(2) : "", place);
        }
      }
      return carried;
    } catch (IOException | RuntimeException e) {
      carried.close();
      throw e;
    }
  }

  private void add(SafetensorsFile file, TensorInfo info, String key, String wrapper, Place place) {
    Parameter parameter = place.parameter;
    NDArray value = null;
    Shape shape = new Shape(info.dimensions());
    long[] expected = parameter.baseShape().getShape().clone();
    if (parameter.turned()) {
      long rows = expected[0];
      expected[0] = expected[1];
      expected[1] = rows;
    }
    if (isTable(parameter) && shape.dimension() == 2) {
      expected[0] = shape.get(0);
    }
    if (shape.equals(new Shape(expected))) {
      float[] numbers = AdapterFiles.finite(file.path(), info, Floats.read(file, info));
      try (NDManager scope = manager.newSubManager()) {
        NDArray wide = scope.create(numbers, shape);
        NDArray rows = parameter.turned() ? wide.transpose().duplicate() : wide;
        value = Ops.typedLike(parameter.base(), rows);
        value.attach(manager);
        if (equal(value, parameter.base())) {
          redundant.add(key);
          value.close();
          return;
        }
      }
    }
    different.add(new Found(key, wrapper, place.module, parameter, value));
  }

  /** {@return whether it is one of those that have a row for each token} */
  private boolean isTable(Parameter parameter) {
    return parameter == model.words().weight() || parameter == outputTable();
  }

  private Parameter outputTable() {
    return model.modules().outputEmbedding().map(Linear::weight).orElse(null);
  }

  private static boolean equal(NDArray a, NDArray b) {
    if (!a.getShape().equals(b.getShape())) {
      return false;
    }
    try (NDArray first = Ops.toFloat32(a);
        NDArray second = Ops.toFloat32(b)) {
      return first.contentEquals(second);
    }
  }

  /** {@return the keys of tensors that the base has just so} */
  Set<String> redundant() {
    return redundant;
  }

  /** Lays all of them over the base, so that what is built on it finds its shapes and numbers. */
  void lay() {
    for (Found found : different) {
      if (found.value == null) {
        continue;
      }
      boolean base = !found.wrapper.isEmpty();
      for (Parameter parameter : model.modules().parameters()) {
        boolean tied =
            (parameter == found.root() || parameter.tied() == found.root())
                && (base || !found.value.getShape().equals(parameter.baseShape()));
        if (parameter == found.parameter || tied) {
          parameter.lay(this, found.value);
        }
      }
    }
  }

  void lift() {
    different.stream()
        .filter(found -> found.value != null)
        .map(Found::root)
        .distinct()
        .forEach(
            root ->
                model.modules().parameters().stream()
                    .filter(parameter -> parameter == root || parameter.tied() == root)
                    .forEach(parameter -> parameter.lift(this)));
  }

  /**
   * Gives an adapter that has been built what of these goes with it: not what it trains itself.
   *
   * @throws IllegalArgumentException if the base cannot take one in
   */
  void settle(AdapterBuilder built) {
    Map<Parameter, Found> byRoot = new LinkedHashMap<>();
    for (Found found : different) {
      if (built.holds(found.key) || !loadable(found, built)) {
        continue; // what is neither is told as unexpected when the adapter's own are read
      }
      if (found.value == null) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "tensor '%s' is to replace %s of shape %s, and has another one",
                found.key,
                found.parameter.name(),
                found.parameter.baseShape()));
      }
      Found other = byRoot.putIfAbsent(found.root(), found);
      if (other != null && !equal(other.value, found.value)) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "tensors '%s' and '%s' differ, and are one tensor in the base",
                other.key,
                found.key));
      }
      built.carry(found.key, found.parameter);
    }
    byRoot.forEach(
        (root, found) -> {
          built.keep(found.value);
          for (Parameter parameter : model.modules().parameters()) {
            if (parameter == root || parameter.tied() == root) {
              built.carry(parameter, found.value);
            }
          }
        });
  }

  /** {@return whether peft's model has a tensor of that name} */
  private static boolean loadable(Found found, AdapterBuilder built) {
    boolean adapted = built.adapts(found.module);
    boolean saved = built.trainedCopy(found.parameter) != null;
    return switch (found.wrapper) {
      case "base_layer" -> adapted;
      case "original_module" -> saved;
      default -> !adapted && !saved;
    };
  }

  /**
   * Makes sure that adapters can act, or be merged, together.
   *
   * @throws IllegalArgumentException if two bring different tensors for one of the base's, or one
   *     brings a table of another size than what another has learnt for
   */
  static void checkTogether(List<Adapter> adapters) {
    for (Adapter one : adapters) {
      for (Map.Entry<Parameter, NDArray> entry : one.carried().entrySet()) {
        Parameter parameter = entry.getKey();
        boolean resized = !entry.getValue().getShape().equals(parameter.baseShape());
        for (Adapter other : adapters) {
          NDArray theirs = other.carried().get(parameter);
          boolean differ = theirs != null && !equal(entry.getValue(), theirs);
          if (differ || (theirs == null && resized && touches(other, parameter))) {
            throw new IllegalArgumentException(
                String.format(
                    Locale.ROOT,
                    "'%s' and '%s' do not go together: '%s' comes with a %s of its own",
                    one.name(),
                    other.name(),
                    one.name(),
                    parameter.name()));
          }
        }
      }
    }
  }

  private static boolean touches(Adapter adapter, Parameter parameter) {
    return adapter.overlays().containsKey(parameter)
        || adapter.embeddings().keySet().stream().anyMatch(e -> e.weight() == parameter)
        || adapter.projections().keySet().stream().anyMatch(l -> l.weight() == parameter);
  }

  /**
   * Makes sure that the head knows the tokens that the embedding knows.
   *
   * @throws IllegalArgumentException if it does not
   */
  static void checkSizes(Model model) {
    Linear head = model.modules().outputEmbedding().orElse(null);
    if (head == null) {
      return;
    }
    long known = model.vocabularySize();
    long told = head.projection().out();
    if (known != told) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "the embedding has %d tokens and the head %d; what the adapter was trained on beside"
                  + " it is not in its folder",
              known,
              told));
    }
  }

  @Override
  public void close() {
    manager.close();
  }
}
