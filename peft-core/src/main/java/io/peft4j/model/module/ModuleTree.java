package io.peft4j.model.module;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The modules of a model under their Hugging Face names, in the order they run. */
public final class ModuleTree {

  private final Map<String, Module> leaves = new LinkedHashMap<>();
  private final Optional<Linear> outputEmbedding;

  /**
   * @param outputEmbedding the leaf that is a head over the vocabulary, if there is one
   */
  public ModuleTree(List<Module> leaves, Optional<Linear> outputEmbedding) {
    for (Module leaf : leaves) {
      this.leaves.put(leaf.name(), leaf);
    }
    this.outputEmbedding = outputEmbedding;
  }

  /** {@return the leaves, in the order they run} */
  public List<Module> leaves() {
    return List.copyOf(leaves.values());
  }

  /**
   * @return the leaf of that name, or null
   */
  public Module leaf(String name) {
    return leaves.get(name);
  }

  /** {@return the names of all modules: leaves and what contains them} */
  public List<String> names() {
    Set<String> names = new LinkedHashSet<>();
    for (String leaf : leaves.keySet()) {
      for (int dot = leaf.indexOf('.'); dot >= 0; dot = leaf.indexOf('.', dot + 1)) {
        names.add(leaf.substring(0, dot));
      }
      names.add(leaf);
    }
    return List.copyOf(names);
  }

  /** {@return the leaves that {@code name} is or contains} */
  public List<Module> under(String name) {
    List<Module> found = new ArrayList<>();
    for (Module leaf : leaves.values()) {
      if (leaf.name().equals(name) || leaf.name().startsWith(name + ".")) {
        found.add(leaf);
      }
    }
    return found;
  }

  /** {@return the head over the vocabulary, where the model has one} */
  public Optional<Linear> outputEmbedding() {
    return outputEmbedding;
  }

  /** {@return the parameters of all modules} */
  public List<Parameter> parameters() {
    return leaves.values().stream().flatMap(leaf -> leaf.parameters().stream()).toList();
  }
}
