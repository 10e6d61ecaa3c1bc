package io.peft4j.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.List;

/** The functions of {@code ops.py}, which this package's classes call by name. */
final class OpsScript {

  private static final Script SCRIPT = Script.of(OpsScript.class, "ops.py");

  private OpsScript() {}

  /** Runs a function that has one result. */
  static NDArray call(String method, NDArray... arguments) {
    return SCRIPT.call(method, arguments);
  }

  /** Runs a function. */
  static NDList run(String method, NDList inputs) {
    return SCRIPT.run(method, inputs);
  }

  /** Adds {@code arrays} as one list argument: DJL reads that from names ending in {@code []}. */
  static void addList(NDList inputs, String name, List<NDArray> arrays) {
    for (NDArray array : arrays) {
      array.setName(name + "[]");
      inputs.add(array);
    }
  }

  /** Runs a method some of whose inputs {@link #addList} added. */
  static NDArray runWithLists(String method, NDList inputs) {
    List<NDArray> named = List.copyOf(inputs);
    try {
      return run(method, inputs).get(0);
    } finally {
      named.forEach(array -> array.setName(null));
    }
  }
}
