package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.Spelling;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What becomes of the keys that a method's config class has in peft and that nothing here is read
 * from: some change nothing, whatever they hold, and some ask for what there is not, unless they
 * are off. Immutable; a method starts from {@link #of} and adds its own.
 */
public final class ConfigKeys {

  /** Keys without effect, of all of peft's methods, and why. */
  private static final Map<String, String> ALWAYS_IDLE =
      Map.of(
          "auto_mapping", "names the base's class in Python",
          "peft_version", "says what wrote the file",
          "revision", "the base's on the hub, which is chosen where it is loaded");

  private final String method;
  private final Map<String, String> idle;
  private final Set<String> offByNull;
  private final Set<String> offByNothing;

  private ConfigKeys(
      String method, Map<String, String> idle, Set<String> offByNull, Set<String> offByNothing) {
    this.method = method;
    this.idle = Map.copyOf(idle);
    this.offByNull = Set.copyOf(offByNull);
    this.offByNothing = Set.copyOf(offByNothing);
  }

  /**
   * {@return the keys that have no effect in any method}
   *
   * @param method what variants that there are not are variants of, such as {@code LoRA}
   */
  public static ConfigKeys of(String method) {
    return new ConfigKeys(method, ALWAYS_IDLE, Set.of(), Set.of());
  }

  /** {@return these and {@code key}, which has no effect, because of {@code why}} */
  public ConfigKeys idle(String key, String why) {
    Map<String, String> more = new LinkedHashMap<>(idle);
    more.put(key, why);
    return new ConfigKeys(method, more, offByNull, offByNothing);
  }

  /** {@return these and keys of what there is not, which null and false leave off} */
  public ConfigKeys unsupported(String... keys) {
    return new ConfigKeys(method, idle, with(offByNull, keys), offByNothing);
  }

  /** {@return these and keys of what there is not, which an empty list or object leaves off too} */
  public ConfigKeys unsupportedUnlessEmpty(String... keys) {
    return new ConfigKeys(method, idle, offByNull, with(offByNothing, keys));
  }

  private static Set<String> with(Set<String> some, String... more) {
    Set<String> all = new LinkedHashSet<>(some);
    all.addAll(List.of(more));
    return all;
  }

  /** {@return why a key has no effect, or null if it has} */
  public String whyIdle(String key) {
    return idle.get(key);
  }

  /** {@return whether a key asks for something that there is not, unless it is off} */
  public boolean isUnsupported(String key) {
    return offByNull.contains(key) || offByNothing.contains(key);
  }

  /**
   * @throws IllegalArgumentException if {@code json} asks for something that there is not; the
   *     message names the key
   */
  public void refuseUnsupported(ObjectNode json) {
    for (Map.Entry<String, JsonNode> entry : json.properties()) {
      if (isUnsupported(entry.getKey()) && !off(entry.getKey(), entry.getValue())) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "'%s' asks for a variant of %s that is not supported: %s",
                entry.getKey(),
                method,
                entry.getValue()));
      }
    }
  }

  private boolean off(String key, JsonNode value) {
    boolean nothing = value.isContainerNode() && value.isEmpty();
    return value.isNull()
        || (value.isBoolean() && !value.asBoolean())
        || (nothing && offByNothing.contains(key));
  }

  /**
   * {@return of the keys of a config, sentences on those that nobody knows} peft drops them with a
   * warning.
   *
   * @param known the keys that the method reads
   */
  public List<String> unknown(String peftType, ObjectNode json, Collection<String> known) {
    List<String> unknown = new ArrayList<>();
    for (String key : new TreeSet<>(json.properties().stream().map(Map.Entry::getKey).toList())) {
      if (!known.contains(key) && whyIdle(key) == null && !isUnsupported(key)) {
        unknown.add(
            String.format(
                Locale.ROOT,
                "'%s' is no key of %s and has no effect; near: %s",
                key,
                peftType,
                String.join(", ", Spelling.nearest(key, known, 3))));
      }
    }
    return unknown;
  }
}
