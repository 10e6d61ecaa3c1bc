package io.peft4j.model.load;

import io.peft4j.safetensors.Checkpoint;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Finds a model's tensors in a checkpoint, under whichever of their names it has them, and keeps a
 * record of what was asked for.
 */
public final class StoredNames {

  /** The weight of a language model's head, as the modules are named. */
  public static final String HEAD = "lm_head.weight";

  private final Set<String> stored;
  private final String baseName;
  private final Map<String, String> renamed;
  private final Map<String, String> standIns = new HashMap<>();
  private final Set<String> asked = new HashSet<>();

  /**
   * @param baseName first part of the base model's names ({@code bert}), which a checkpoint saved
   *     without a head lacks
   * @param renamed names that a checkpoint may have for a tensor in place of the module's, by the
   *     latter
   */
  public StoredNames(Checkpoint checkpoint, String baseName, Map<String, String> renamed) {
    this.stored = checkpoint.names();
    this.baseName = baseName;
    this.renamed = Map.copyOf(renamed);
  }

  /** Has {@code other}'s tensor stand in for {@code name}'s, where the checkpoint lacks that. */
  void standIn(String name, String other) {
    standIns.put(name, other);
  }

  /** {@return the name that the checkpoint has for {@code name}'s tensor, or null} */
  public String find(String name) {
    String found = candidate(name);
    if (found == null && standIns.containsKey(name)) {
      found = candidate(standIns.get(name));
    }
    if (found != null) {
      asked.add(found);
    }
    return found;
  }

  private String candidate(String name) {
    for (String candidate : List.of(name, withoutBase(name))) {
      if (stored.contains(candidate)) {
        return candidate;
      }
      // The layer norms of the first BERT checkpoints.
      String old =
          candidate
              .replace("LayerNorm.weight", "LayerNorm.gamma")
              .replace("LayerNorm.bias", "LayerNorm.beta");
      if (stored.contains(old)) {
        return old;
      }
    }
    String other = renamed(name);
    return other.equals(name) ? null : other;
  }

  /** {@return the name that the checkpoint has in place of a module's, else that} */
  public String renamed(String name) {
    String other = renamed.get(name);
    return other != null && stored.contains(other) ? other : name;
  }

  private String withoutBase(String name) {
    return name.startsWith(baseName + ".") ? name.substring(baseName.length() + 1) : name;
  }

  /**
   * {@return how many layers the checkpoint has something of, from the first on}
   *
   * @param layer a layer's name in the base model, with %d
   */
  public int layers(String layer) {
    String before = layer.substring(0, layer.indexOf("%d"));
    Set<String> numbers = new HashSet<>();
    for (String name : stored) {
      String inBase = withoutBase(name);
      int end = inBase.startsWith(before) ? inBase.indexOf('.', before.length()) : -1;
      if (end > 0) {
        numbers.add(inBase.substring(before.length(), end));
      }
    }
    int count = 0;
    while (numbers.contains(Integer.toString(count))) {
      count++;
    }
    return count;
  }

  /** {@return the checkpoint's tensors that {@link #find} has not given, in its order} */
  List<String> unasked() {
    List<String> rest = new ArrayList<>(stored);
    rest.removeAll(asked);
    return rest;
  }

  /** {@return whether {@link #find} has given a tensor whose name begins with {@code start}} */
  boolean askedFor(String start) {
    return asked.stream().anyMatch(name -> name.startsWith(start));
  }
}
