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
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Functions in TorchScript, which libtorch compiles when they are loaded. Gradients are recorded as
 * for any operation; results belong to the manager of the first argument.
 *
 * <p>The text is in the dialect that {@code torch.jit.save} writes: a class of functions of
 * tensors, with a {@code forward} that nobody calls.
 *
 * <pre>{@code
 * class Mine(Module):
 *   __parameters__ = []
 *   __buffers__ = []
 *   training : bool
 *   def forward(self: __torch__.Mine, x: Tensor) -> Tensor:
 *     return x
 *   def scaled(self: __torch__.Mine, x: Tensor, by: Tensor) -> Tensor:
 *     return torch.mul(x, float(by))
 * }</pre>
 *
 * <p>Arguments are tensors; a number that steers an operation is a 0-d one on the CPU, see {@link
 * HostTensors}. Its owner keeps a script in a constant, since each holds a compiled module for
 * good.
 *
 * <p>Thread-safe: the compiled module has no state.
 */
public final class Script {

  private static final Pattern CLASS =
      Pattern.compile("^class (\\w+)\\(Module\\):", Pattern.MULTILINE);

  private final String name;
  private final PtSymbolBlock module;

  /** DJL selects a method by an extra array of this name. */
  private final Map<String, NDArray> selectors;

  private Script(String name, PtSymbolBlock module, Map<String, NDArray> selectors) {
    this.name = name;
    this.module = module;
    this.selectors = selectors;
  }

  /**
   * Compiles the resource beside a class.
   *
   * @param owner of a module that opens its package to this library, or of none
   * @param resource such as {@code lora.py}
   * @throws IllegalArgumentException if there is no such resource, or no class of functions in it
   */
  public static Script of(Class<?> owner, String resource) {
    String name = owner.getPackageName() + "/" + resource;
    try (InputStream source = owner.getResourceAsStream(resource)) {
      if (source == null) {
        throw new IllegalArgumentException(
            name + ": expected a resource beside " + owner.getName() + ", found none");
      }
      return of(name, new String(source.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + name, e);
    }
  }

  /**
   * Compiles a text.
   *
   * @param name of the text, for messages
   * @throws IllegalArgumentException if there is no class of functions in it
   */
  public static Script of(String name, String code) {
    Matcher type = CLASS.matcher(code);
    if (!type.find()) {
      throw new IllegalArgumentException(name + ": expected a class X(Module), found none");
    }
    KernelCaches.bound();
    NDManager manager = Natives.newManager(Device.cpu());
    manager.setName("io.peft4j.torch.Script " + name);
    try {
      PtSymbolBlock module =
          JniUtils.loadModule(
              (PtNDManager) manager,
              new ByteArrayInputStream(ScriptArchive.build(type.group(1), code)),
              false,
              false);
      Map<String, NDArray> selectors = new HashMap<>();
      for (String method : JniUtils.getMethodNames(module)) {
        NDArray selector = manager.create(0f);
        selector.setName("module_method:" + method);
        selectors.put(method, selector);
      }
      return new Script(name, module, Map.copyOf(selectors));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot build " + name, e);
    }
  }

  /**
   * Runs a function that has one result.
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public NDArray call(String method, NDArray... arguments) {
    NDList inputs = new NDList(arguments.length + 1);
    for (NDArray argument : arguments) {
      inputs.add(argument);
    }
    return run(method, inputs).get(0);
  }

  /**
   * Runs a function.
   *
   * @param inputs its arguments; more is added to them
   * @throws IllegalArgumentException if there is none of that name
   */
  public NDList run(String method, NDList inputs) {
    NDArray selector = selectors.get(method);
    if (selector == null) {
      throw new IllegalArgumentException(
          name + ": has no function " + method + "; there are " + selectors.keySet());
    }
    inputs.add(selector);
    // The executor's profiling pass costs more than it saves on operations this small, and fuses
    // some so that results differ in the last bit. The setting is the thread's: others run their
    // own scripts on it.
    JniUtils.setGraphExecutorOptimize(false);
    try {
      return IValueUtils.forward(module, inputs, true);
    } finally {
      JniUtils.setGraphExecutorOptimize(true);
    }
  }
}
