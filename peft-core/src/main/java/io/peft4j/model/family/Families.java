package io.peft4j.model.family;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonFiles;
import io.peft4j.io.Services;
import io.peft4j.model.load.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The families there are: those that {@link ServiceLoader} finds by the library's own class loader,
 * and by the thread's context class loader, in which an application's may be.
 */
public final class Families {

  private static final List<Family> OWN =
      Services.load(Family.class, Families.class.getClassLoader());

  private Families() {}

  /**
   * {@return all of them}
   *
   * @throws IllegalStateException if two are for the same {@code model_type}
   */
  public static List<Family> all() {
    ClassLoader context = Thread.currentThread().getContextClassLoader();
    if (context == null || context == Families.class.getClassLoader()) {
      return distinct(OWN);
    }
    return distinct(Services.load(Family.class));
  }

  /** One for each type. */
  static List<Family> distinct(List<Family> found) {
    Map<String, Family> byType = new LinkedHashMap<>();
    for (Family family : found) {
      Family other = byType.putIfAbsent(family.modelType(), family);
      if (other != null && !name(other).equals(name(family))) {
        throw new IllegalStateException(
            "two families for model_type "
                + family.modelType()
                + ": "
                + name(other)
                + " and "
                + name(family)
                + "; META-INF/services/"
                + Family.class.getName()
                + " may name one of them");
      }
    }
    return List.copyOf(byType.values());
  }

  private static String name(Family family) {
    return family.getClass().getName();
  }

  /** {@return the family of a {@code model_type}, or null} */
  public static Family find(String modelType) {
    return all().stream()
        .filter(family -> family.modelType().equals(modelType))
        .findFirst()
        .orElse(null);
  }

  /**
   * {@return the family that a config is of}
   *
   * @throws IllegalArgumentException if there is none
   */
  public static Family of(ModelConfig config) {
    return of(config, Family.class);
  }

  /**
   * As {@link #of(ModelConfig)}, of families of one kind.
   *
   * @throws IllegalArgumentException if there is none of that kind
   */
  public static <F extends Family> F of(ModelConfig config, Class<F> kind) {
    Family family = find(config.modelType());
    if (!kind.isInstance(family)) {
      throw config.unsupported(
          "model_type",
          all().stream()
              .filter(kind::isInstance)
              .map(Family::modelType)
              .collect(Collectors.joining(", ")));
    }
    return kind.cast(family);
  }

  /**
   * Reads {@code config.json} in {@code folder}; where it says nothing, the config says what its
   * family has then.
   *
   * @throws IOException if it cannot be read
   * @throws IllegalArgumentException if it is not a JSON object with a {@code model_type}
   */
  public static ModelConfig config(Path folder) throws IOException {
    ModelConfig config = ModelConfig.read(folder);
    Family family = find(config.modelType());
    return family == null ? config : config.over(defaults(family), family.aliases());
  }

  private static ObjectNode defaults(Family family) {
    try {
      return (ObjectNode) JsonFiles.MAPPER.readTree(family.defaults());
    } catch (JsonProcessingException | ClassCastException e) {
      throw new IllegalStateException(name(family) + ": its defaults are no JSON object", e);
    }
  }

  /** {@return what any of them has} */
  public static Set<String> any(Function<Family, Set<String>> names) {
    return all().stream()
        .flatMap(family -> names.apply(family).stream())
        .collect(Collectors.toSet());
  }
}
