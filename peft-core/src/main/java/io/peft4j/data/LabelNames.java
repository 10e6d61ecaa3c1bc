package io.peft4j.data;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * The classes of a task: a name for each id 0, 1, … An immutable value, written to {@code
 * config.json} as {@code id2label} and {@code label2id}.
 */
public final class LabelNames {
  private static final Pattern INTEGER = Pattern.compile("-?\\d{1,18}");
  private static final int SHOWN = 20;
  private static final int AMBIGUOUS = -1;
  private static final String GENERIC = "LABEL_";

  private final List<String> names;
  private final Map<String, Integer> ids;
  private final Map<String, Integer> idsInLowerCase = new HashMap<>();
  private final boolean anyInteger;

  private LabelNames(List<String> names) {
    Map<String, Integer> byName = new LinkedHashMap<>();
    for (String name : names) {
      if (name.isBlank()) {
        throw new IllegalArgumentException("label " + byName.size() + " has an empty name");
      }
      Integer earlier = byName.putIfAbsent(name, byName.size());
      if (earlier != null) {
        throw new IllegalArgumentException("label name '" + name + "' is given twice");
      }
    }
    this.names = List.copyOf(names);
    this.ids = Collections.unmodifiableMap(byName);
    byName.forEach(
        (name, id) -> idsInLowerCase.merge(name.toLowerCase(Locale.ROOT), id, (x, y) -> AMBIGUOUS));
    this.anyInteger = names.stream().anyMatch(name -> INTEGER.matcher(name).matches());
  }

  /**
   * Names in the order of their ids.
   *
   * @throws IllegalArgumentException if a name is blank or given twice
   */
  public static LabelNames of(List<String> names) {
    return new LabelNames(names);
  }

  /** {@return LABEL_0, LABEL_1 and so on, as transformers names outputs that have no names} */
  public static LabelNames generic(int count) {
    return new LabelNames(IntStream.range(0, count).mapToObj(i -> GENERIC + i).toList());
  }

  /**
   * Names as {@code config.json} has them.
   *
   * @throws IllegalArgumentException if the ids are not 0 … n-1, or a name is given twice
   */
  public static LabelNames ofId2label(Map<Integer, String> id2label) {
    List<String> names = new ArrayList<>();
    for (Map.Entry<Integer, String> entry : new TreeMap<>(id2label).entrySet()) {
      if (entry.getKey() != names.size()) {
        throw new IllegalArgumentException(
            "id2label should have the ids 0 to "
                + (id2label.size() - 1)
                + ", found "
                + new TreeMap<>(id2label).keySet());
      }
      names.add(entry.getValue());
    }
    return new LabelNames(names);
  }

  /**
   * The distinct names among {@code labels}, sorted: by value if all are integers, else by code
   * units. So the ids do not depend on the order of the rows.
   */
  static LabelNames collect(Collection<String> labels) {
    boolean integers = labels.stream().allMatch(label -> INTEGER.matcher(label).matches());
    Comparator<String> order =
        integers
            ? Comparator.<String>comparingLong(Long::parseLong).thenComparing(s -> s)
            : Comparator.naturalOrder();
    TreeSet<String> distinct = new TreeSet<>(order);
    distinct.addAll(labels);
    return new LabelNames(new ArrayList<>(distinct));
  }

  /** The number of classes. */
  public int size() {
    return names.size();
  }

  /** All names, by id. */
  public List<String> names() {
    return names;
  }

  /** The name of class {@code id}. */
  public String name(int id) {
    return names.get(id);
  }

  /** {@return whether these are {@link #generic}, and so say nothing} */
  public boolean isGeneric() {
    return equals(generic(size()));
  }

  /**
   * The id of the class that has this name or, if none has, of the only one whose name differs from
   * it in upper and lower case alone.
   */
  public OptionalInt named(String label) {
    Integer id = ids.get(label);
    if (id == null) {
      id = idsInLowerCase.get(label.toLowerCase(Locale.ROOT));
    }
    return id == null || id == AMBIGUOUS ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /**
   * The id of a label: that {@link #named} so or, if none of the names is an integer, the integer
   * itself. The latter is how files that say 0 and 1 meet a model that says NEGATIVE and POSITIVE.
   */
  public OptionalInt id(String label) {
    OptionalInt named = named(label);
    if (named.isPresent()) {
      return named;
    }
    if (!anyInteger && INTEGER.matcher(label).matches()) {
      long value = Long.parseLong(label);
      if (value >= 0 && value < names.size()) {
        return OptionalInt.of((int) value);
      }
    }
    return OptionalInt.empty();
  }

  /** {@return whether a name is an integer, so that integers are names and not ids} */
  boolean anyInteger() {
    return anyInteger;
  }

  /** For {@code config.json}: id to name, by id. */
  public Map<Integer, String> id2label() {
    Map<Integer, String> map = new LinkedHashMap<>();
    for (int id = 0; id < names.size(); id++) {
      map.put(id, names.get(id));
    }
    return Collections.unmodifiableMap(map);
  }

  /** For {@code config.json}: name to id, by id. */
  public Map<String, Integer> label2id() {
    return ids;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof LabelNames that && names.equals(that.names);
  }

  @Override
  public int hashCode() {
    return names.hashCode();
  }

  /** The names, for messages; only the first of many. */
  @Override
  public String toString() {
    return names.size() <= SHOWN
        ? names.toString()
        : names.subList(0, SHOWN) + " and " + (names.size() - SHOWN) + " more";
  }
}
