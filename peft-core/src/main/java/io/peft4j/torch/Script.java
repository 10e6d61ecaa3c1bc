package io.peft4j.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The functions of {@code ops.py} beside this class, which libtorch compiles when it loads. Results
 * belong to the manager of the first argument.
 *
 * <p>Thread-safe: the compiled module has no state.
 */
final class Script {

  private static final Script SCRIPT = load();

  private final PtSymbolBlock module;

  /** DJL selects a method by an extra array of this name. */
  private final Map<String, NDArray> selectors;

  private Script(PtSymbolBlock module, Map<String, NDArray> selectors) {
    this.module = module;
    this.selectors = selectors;
  }

  private static Script load() {
    KernelCaches.bound();
    NDManager manager = Natives.newManager(Device.cpu());
    manager.setName("io.peft4j.torch.Script");
    try (InputStream source = Script.class.getResourceAsStream("ops.py")) {
      String code = new String(source.readAllBytes(), StandardCharsets.UTF_8);
      PtSymbolBlock module =
          JniUtils.loadModule(
              (PtNDManager) manager,
              new ByteArrayInputStream(ScriptArchive.build("Ops", code)),
              false,
              false);
      Map<String, NDArray> selectors = new HashMap<>();
      for (String method : JniUtils.getMethodNames(module)) {
        NDArray selector = manager.create(0f);
        selector.setName("module_method:" + method);
        selectors.put(method, selector);
      }
      return new Script(module, Map.copyOf(selectors));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read ops.py beside " + Script.class.getName(), e);
    }
  }

  /** Runs a method that has one result. */
  static NDArray call(String method, NDArray... arguments) {
    NDList inputs = new NDList(arguments.length + 1);
    for (NDArray argument : arguments) {
      inputs.add(argument);
    }
    return run(method, inputs).get(0);
  }

  /** Runs a method. */
  static NDList run(String method, NDList inputs) {
    NDArray selector = SCRIPT.selectors.get(method);
    if (selector == null) {
      throw new IllegalStateException("ops.py has no method " + method);
    }
    inputs.add(selector);
    // The executor's profiling pass costs more than it saves on operations this small, and fuses
    // some so that results differ in the last bit. The setting is the thread's: others run their
    // own scripts on it.
    JniUtils.setGraphExecutorOptimize(false);
    try {
      return IValueUtils.forward(SCRIPT.module, inputs, true);
    } finally {
      JniUtils.setGraphExecutorOptimize(true);
    }
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
