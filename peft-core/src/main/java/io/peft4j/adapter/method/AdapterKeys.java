package io.peft4j.adapter.method;

import io.peft4j.safetensors.TensorInfo;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The names of tensors in adapter files, and what they are the tensors of. */
public final class AdapterKeys {

  /** What peft puts before the name of a module. */
  static final String PREFIX = "base_model.model.";

  /**
   * A parameter of one of the methods under the name that it has in a live model, with the name of
   * its adapter: files that were not written by peft, but by DeepSpeed, FSDP or {@code
   * state_dict()}, have that.
   */
  private static final Pattern NAMED = named(AdapterMethods.all());

  /** A module trained in full, in a live model. */
  private static final Pattern SAVED = Pattern.compile("(.*)\\.modules_to_save\\.([^.]+)(\\..+)");

  private AdapterKeys() {}

  private static Pattern named(Collection<AdapterMethod> methods) {
    String names =
        methods.stream()
            .flatMap(method -> method.parameterNames().stream())
            .distinct()
            .map(Pattern::quote)
            .collect(Collectors.joining("|"));
    return Pattern.compile(
        "((?:^|.*\\.)(?:" + names + "))\\.(?!(?:weight|bias)$)([^.]+)((?:\\.(?:weight|bias))?)");
  }

  /**
   * {@return the name that the file has for a module} What was trained on a model without a head
   * (peft's FEATURE_EXTRACTION) does not have the name that the model has within one with a head,
   * such as {@code bert.}, in front.
   */
  public static String nameOnDisk(AdapterConfig config, String name) {
    boolean bare = config.toJson().path("task_type").asText().equals("FEATURE_EXTRACTION");
    return bare ? name.substring(name.indexOf('.') + 1) : name;
  }

  /** {@return the name without what peft puts before that of a module} */
  public static String strip(String name) {
    if (name.startsWith(PREFIX)) {
      return name.substring(PREFIX.length());
    }
    // The prompt methods' saved modules.
    return name.startsWith("base_model.") ? name.substring("base_model.".length()) : name;
  }

  /** {@return the name of a parameter without that of its adapter} */
  public static String unnamed(String name) {
    Matcher named = NAMED.matcher(name);
    return named.matches() ? named.group(1) + named.group(3) : name;
  }

  /**
   * {@return the tensors of a file by the name that {@link Adapter} has for them, without {@link
   * #PREFIX} and the adapter's own name}
   *
   * @throws IllegalArgumentException if they are those of several adapters
   */
  public static Map<String, TensorInfo> byKey(Collection<TensorInfo> tensors) {
    Map<String, TensorInfo> byKey = new LinkedHashMap<>();
    Set<String> adapters = new TreeSet<>();
    for (TensorInfo tensor : tensors) {
      String name = strip(tensor.name());
      if (isOnlyLive(name) || tensor.elements() == 0) {
        continue;
      }
      Matcher named = NAMED.matcher(name);
      if (named.matches()) {
        adapters.add(named.group(2));
      }
      String key = unnamed(name);
      for (AdapterMethod method : AdapterMethods.all()) {
        key = method.keyOf(key);
      }
      if (byKey.put(key, tensor) != null && adapters.size() < 2) {
        throw new IllegalArgumentException(
            "tensor '" + key + "' is there twice, with and without the name of an adapter");
      }
    }
    if (adapters.size() > 1) {
      throw new IllegalArgumentException(
          "holds tensors of several adapters, " + adapters + "; expected those of one");
    }
    return adapters.isEmpty() ? byKey : withSaved(byKey, adapters.iterator().next());
  }

  private static boolean isOnlyLive(String name) {
    return AdapterMethods.all().stream().anyMatch(method -> method.isOnlyLive(name));
  }

  /**
   * {@return of a live model's tensors those of modules that are trained in full by their names}
   */
  private static Map<String, TensorInfo> withSaved(
      Map<String, TensorInfo> tensors, String adapter) {
    Map<String, TensorInfo> byKey = new LinkedHashMap<>();
    tensors.forEach(
        (key, tensor) -> {
          Matcher saved = SAVED.matcher(key);
          if (saved.matches() && saved.group(2).equals(adapter)) {
            byKey.putIfAbsent(saved.group(1) + saved.group(3), tensor);
          } else {
            byKey.put(key, tensor);
          }
        });
    return byKey;
  }
}
