package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where an adapter that is being built comes from, and with it how strictly its config is taken:
 * whoever makes a new one means every word of it, while somebody's trained adapter may name what
 * this model does not have.
 *
 * @param folder of a trained adapter; null for a new one
 * @param shapes of the tensors in its files by key; null for a new one
 * @param onDisk gives a tensor's key among those
 * @param strict whether names that mean nothing are refused
 */
public record AdapterOrigin(
    Path folder, Map<String, List<Long>> shapes, UnaryOperator<String> onDisk, boolean strict) {

  /** A new adapter, made of its user's config. */
  public static final AdapterOrigin NEW = new AdapterOrigin(null, null, key -> key, true);

  /** A new adapter, whose config was made of others'. */
  public static final AdapterOrigin DERIVED = new AdapterOrigin(null, null, key -> key, false);

  private static final Logger LOG = LoggerFactory.getLogger(AdapterOrigin.class);

  boolean trained() {
    return folder != null;
  }

  /**
   * Says that part of a config means nothing.
   *
   * @throws IllegalArgumentException with that message, if the adapter is a new one
   */
  public void slip(String message) {
    if (strict) {
      throw new IllegalArgumentException(message);
    }
    warn(message);
  }

  void warn(String message) {
    LOG.warn("{}{}", folder == null ? "" : folder + ": ", message);
  }

  /**
   * Makes sure, before memory is taken for it, that a tensor may be of that shape: that of the
   * file, if there is one.
   *
   * @param config what the shape was made of
   * @return the number of elements
   * @throws IllegalArgumentException if it may not
   */
  int elements(AdapterConfig config, String key, long... shape) {
    long elements = 1;
    for (long dimension : shape) {
      boolean fits = dimension == 0 || elements <= Integer.MAX_VALUE / dimension;
      elements = fits ? elements * dimension : Long.MAX_VALUE;
    }
    List<Long> expected = Arrays.stream(shape).boxed().toList();
    List<Long> found = shapes == null ? null : shapes.get(onDisk.apply(key));
    String what = null;
    if (found != null && !found.equals(expected)) {
      what = "found " + found;
    } else if (found == null && elements > largest()) {
      what = shapes == null ? "which is more than Java may take" : "found none";
    }
    if (what != null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%stensor '%s': expected shape %s, %s; the config has %s",
              file(config, key),
              key,
              expected,
              what,
              sizes(config)));
    }
    return (int) elements;
  }

  private String file(AdapterConfig config, String key) {
    return trained() ? AdapterMethods.named(config.peftType()).fileOf(key) + ": " : "";
  }

  /**
   * How large a tensor may be that no file has: one that is missing, which is said when all are
   * known, takes no more than those which are there.
   */
  private long largest() {
    return shapes == null
        ? Math.min(Integer.MAX_VALUE, Runtime.getRuntime().maxMemory() / Float.BYTES)
        : shapes.values().stream()
            .mapToLong(shape -> shape.stream().reduce(1L, (a, b) -> a * b))
            .max()
            .orElse(0);
  }

  /** {@return what {@code config} says of sizes} */
  private static String sizes(AdapterConfig config) {
    ObjectNode json = config.toJson();
    return AdapterMethods.named(config.peftType()).sizeKeys().stream()
        .filter(json::hasNonNull)
        .map(key -> key + ": " + json.get(key))
        .collect(Collectors.joining(", "));
  }
}
