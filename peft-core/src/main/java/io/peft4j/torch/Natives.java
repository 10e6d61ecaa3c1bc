package io.peft4j.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtEngineProvider;
import java.nio.file.Path;
import java.util.function.Supplier;

/**
 * The one door to native libraries: DJL's engine and tokenizers are started here and nowhere else,
 * with what they read when they start said before they do. None of it overrules the user.
 *
 * <ul>
 *   <li>DJL's telemetry is off ({@code OPT_OUT_TRACKING=false} turns it on): DJL would ask the
 *       cloud's metadata service who it runs for, and send that on.
 *   <li>The tokenizers are those of the class path ({@code RUST_FLAVOR}): where DJL sees a GPU it
 *       would download a build for it, which does nothing that is used here.
 *   <li>Libraries are loaded from a folder that nobody else can write to, see {@link NativeFolder}.
 *   <li>The engine is found where a repackaged jar has lost its entry under {@code
 *       META-INF/services}, and on threads whose class loader does not know it.
 * </ul>
 */
public final class Natives {

  private static final String ENGINE = "PyTorch";

  private Natives() {}

  /**
   * {@return DJL's PyTorch engine, with libtorch loaded}
   *
   * @throws IllegalArgumentException if there is no folder that libraries may be loaded from
   */
  public static Engine engine() {
    prepare();
    return withOwnLoader(
        () -> {
          if (!Engine.hasEngine(ENGINE)) {
            Engine.registerEngine(new PtEngineProvider());
          }
          return Engine.getEngine(ENGINE);
        });
  }

  /**
   * {@return a manager without parent, for tensors on that device}
   *
   * @throws IllegalArgumentException if there is no folder that libraries may be loaded from
   */
  public static NDManager newManager(Device device) {
    return engine().newBaseManager(device);
  }

  /**
   * Loads the tokenizers' library; to be called before DJL's tokenizers are used.
   *
   * @throws IllegalArgumentException if there is no folder that libraries may be loaded from
   */
  public static void loadTokenizers() {
    prepare();
    withOwnLoader(
        () -> {
          LibUtils.checkStatus();
          return null;
        });
  }

  /**
   * Runs what unpacks a library into Java's folder for temporary files under a fixed name, and
   * loads what it finds there: it is given a folder that nobody else can write to.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static <T> T unpackingPrivately(Supplier<T> loading) {
    String key = "java.io.tmpdir";
    Path folder = NativeFolder.privately(prepare().resolve("jcuda"));
    synchronized (Natives.class) {
      String before = System.getProperty(key);
      System.setProperty(key, folder.toString());
      try {
        return loading.get();
      } finally {
        System.setProperty(key, before);
      }
    }
  }

  private static Path prepare() {
    unlessSet("OPT_OUT_TRACKING", "true");
    unlessSet("RUST_FLAVOR", "cpu");
    Path folder = NativeFolder.of(Natives::setting);
    unlessSet("ENGINE_CACHE_DIR", folder.toString());
    unlessSet("DJL_CACHE_DIR", folder.toString());
    return folder;
  }

  private static void unlessSet(String name, String value) {
    String before = setting(name);
    if (before == null || before.isEmpty()) {
      System.setProperty(name, value);
    }
  }

  /** As DJL reads it. */
  private static String setting(String name) {
    String variable = System.getenv(name);
    return variable != null ? variable : System.getProperty(name);
  }

  private static <T> T withOwnLoader(Supplier<T> action) {
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    thread.setContextClassLoader(Natives.class.getClassLoader());
    try {
      return action.get();
    } finally {
      thread.setContextClassLoader(before);
    }
  }
}
