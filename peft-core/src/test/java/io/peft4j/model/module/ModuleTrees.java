package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Module trees without weights, for tests of what goes by name. */
public final class ModuleTrees {

  private ModuleTrees() {}

  /**
   * @param classes Python's class of each module, by name
   * @param outputEmbedding a language model's head, or null
   */
  public static ModuleTree of(Map<String, String> classes, String outputEmbedding) {
    List<Module> leaves = new ArrayList<>();
    classes.forEach(
        (name, type) -> {
          switch (type) {
            case "Linear", "Conv1D" -> leaves.add(new Linear(name, new Weightless()));
            case "Embedding" -> leaves.add(new Embedding(name, null));
            case "LayerNorm", "LlamaRMSNorm" -> leaves.add(new LayerNorm(name, null, null, 0));
            default -> {
              // a container, or something without parameters: not a leaf of the tree
            }
          }
        });
    return new ModuleTree(
        leaves,
        leaves.stream()
            .filter(leaf -> leaf.name().equals(outputEmbedding))
            .map(Linear.class::cast)
            .findFirst());
  }

  private static final class Weightless implements Projection {
    @Override
    public NDArray forward(NDArray x) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long in() {
      return 1;
    }

    @Override
    public long out() {
      return 1;
    }

    @Override
    public NDArray weight(NDManager manager) {
      throw new UnsupportedOperationException();
    }

    @Override
    public NDArray storedWeight(NDManager manager) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Parameter bias() {
      return null;
    }

    @Override
    public void merge(NDArray weight) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void unmerge() {
      throw new UnsupportedOperationException();
    }

    @Override
    public boolean trainable() {
      return false;
    }
  }
}
