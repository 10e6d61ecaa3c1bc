package io.peft4j.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Enumeration;
import java.util.stream.Stream;

/**
 * Starts the engine, then the tokenizers, as badly packaged: from a class path whose entry of
 * engines is gone, on a thread whose class loader knows neither. Prints the sum of two numbers, and
 * the folders of the libraries that are mapped.
 */
public final class StartMain {

  private StartMain() {}

  public static void main(String[] arguments) throws Exception {
    try (Repackaged loader = new Repackaged()) {
      Thread.currentThread().setContextClassLoader(ClassLoader.getPlatformClassLoader());
      Runnable run =
          (Runnable) loader.loadClass(Start.class.getName()).getDeclaredConstructor().newInstance();
      run.run();
    }
  }

  /** What is run by the other class loader. */
  public static final class Start implements Runnable {
    @Override
    public void run() {
      try (NDManager manager = Natives.newManager(Device.cpu())) {
        System.out.println("sum " + manager.create(new float[] {1, 2}).sum().getFloat());
      }
      Natives.loadTokenizers();
      try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
        maps.filter(line -> line.matches(".*/lib(torch|djl_torch|gomp|tokenizers).*\\.so.*"))
            .map(line -> line.replaceFirst("^[^/]*", ""))
            .distinct()
            .forEach(System.out::println);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** The class path in one jar, as shading without care for services leaves it. */
  private static final class Repackaged extends URLClassLoader {
    private static final String ENGINES = "META-INF/services/ai.djl.engine.EngineProvider";

    Repackaged() {
      super(
          Stream.of(System.getProperty("java.class.path").split(java.io.File.pathSeparator))
              .map(Repackaged::url)
              .toArray(URL[]::new),
          ClassLoader.getPlatformClassLoader());
    }

    private static URL url(String path) {
      try {
        return Path.of(path).toUri().toURL();
      } catch (MalformedURLException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public Enumeration<URL> findResources(String name) throws IOException {
      return name.equals(ENGINES) ? Collections.emptyEnumeration() : super.findResources(name);
    }

    @Override
    public URL findResource(String name) {
      return name.equals(ENGINES) ? null : super.findResource(name);
    }
  }
}
