package io.peft4j.adapter.target;

import io.peft4j.adapter.regex.PythonRegex;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/**
 * Values for single modules, as {@code rank_pattern} and {@code alpha_pattern} have them: by
 * regular expressions for a name's end, of which the first that matches counts.
 */
public final class NamePatterns<T> {

  private record Entry<T>(String key, PythonRegex regex, T value) {}

  private final List<Entry<T>> entries = new ArrayList<>();

  /**
   * @throws IllegalArgumentException if a key is no regular expression
   */
  public NamePatterns(Map<String, T> patterns) {
    PythonRegex.Budget budget = new PythonRegex.Budget();
    patterns.forEach(
        (key, value) -> {
          PythonRegex regex = PythonRegex.compile("(.*\\.)?(" + key + ")", budget);
          entries.add(new Entry<>(key, regex, value));
        });
  }

  /** {@return the value of the first key that {@code module} ends in} */
  public T of(String module, T otherwise) {
    Entry<T> entry = first(module);
    return entry == null ? otherwise : entry.value;
  }

  private Entry<T> first(String module) {
    for (Entry<T> entry : entries) {
      if (entry.regex.matches(module)) {
        return entry;
      }
    }
    return null;
  }

  /** {@return the keys that count for none of {@code modules}} */
  public List<String> idle(Collection<String> modules) {
    List<Entry<T>> used = modules.stream().map(this::first).filter(Objects::nonNull).toList();
    return entries.stream().filter(entry -> !used.contains(entry)).map(Entry::key).toList();
  }

  /** {@return whether {@code key} matches one of {@code modules}, be it after another} */
  public boolean matches(String key, Collection<String> modules) {
    return entries.stream()
        .filter(entry -> entry.key.equals(key))
        .anyMatch(entry -> modules.stream().anyMatch(entry.regex::matches));
  }

  /**
   * {@return patterns that mean the same for {@code modules} in whatever order they are} Files have
   * their keys sorted, here as in peft, so that patterns which overlap would mean something else
   * once they are read again: those are replaced by the modules' names.
   *
   * @param onDisk gives the name that a file has for a module
   */
  public static <T> Map<String, T> inAnyOrder(
      Map<String, T> patterns, Collection<String> modules, UnaryOperator<String> onDisk) {
    NamePatterns<T> given = new NamePatterns<>(patterns);
    Map<String, T> values = new LinkedHashMap<>();
    modules.forEach(module -> values.put(onDisk.apply(module), given.of(module, null)));
    if (give(values, patterns)) {
      return patterns;
    }
    Map<String, T> ends = byName(values, "");
    // A name may be the end of another.
    return give(values, ends) ? ends : byName(values, "^");
  }

  private static <T> Map<String, T> byName(Map<String, T> values, String before) {
    Map<String, T> patterns = new TreeMap<>();
    values.forEach(
        (name, value) -> {
          if (value != null) {
            patterns.put(before + name.replaceAll("\\W", "\\\\$0"), value);
          }
        });
    return patterns;
  }

  /** {@return whether {@code patterns}, once sorted, give these values by name} */
  private static <T> boolean give(Map<String, T> values, Map<String, T> patterns) {
    NamePatterns<T> sorted = new NamePatterns<>(new TreeMap<>(patterns));
    return values.entrySet().stream()
        .allMatch(value -> Objects.equals(sorted.of(value.getKey(), null), value.getValue()));
  }
}
