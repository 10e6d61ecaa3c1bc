package io.peft4j.cuda;

import com.sun.jna.Native;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * The stand-in driver, built with g++ from {@code src/test/standin} and the kernels' sources, and
 * loaded before JCuda looks for {@code libcuda.so.1}: JCuda's native code then binds to it, because
 * the loader takes a library of that name that is already there. As an extension it skips tests,
 * and says why, where g++ is missing.
 */
final class Standin implements ExecutionCondition {
  /** What the stand-in exports for tests. */
  interface Control extends com.sun.jna.Library {
    void standin_reset();

    int standin_set(String name, long value);

    void standin_fail(String call, long after, int result);

    long standin_get(String name);
  }

  private static final Path BUILT = Path.of("target", "standin", "libcuda.so.1");

  /** One process loads one driver. */
  private static final class Loaded {
    static final String PROBLEM = build();
    static final Control CONTROL = PROBLEM.isEmpty() ? load() : null;

    private static Control load() {
      String path = BUILT.toAbsolutePath().toString();
      System.load(path);
      return Native.load(path, Control.class);
    }
  }

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    if (Loaded.PROBLEM.isEmpty()) {
      return ConditionEvaluationResult.enabled("the stand-in driver is loaded");
    }
    System.out.println("SKIPPED " + context.getDisplayName() + ": " + Loaded.PROBLEM);
    return ConditionEvaluationResult.disabled(Loaded.PROBLEM);
  }

  /** Everything as at the start: one device of compute capability 8.0, nothing fails. */
  static void reset() {
    Loaded.CONTROL.standin_reset();
  }

  static void set(String name, long value) {
    if (Loaded.CONTROL.standin_set(name, value) != 0) {
      throw new IllegalArgumentException(name);
    }
  }

  /** Lets the call after the next {@code after} ones return {@code result}. */
  static void fail(String call, long after, int result) {
    Loaded.CONTROL.standin_fail(call, after, result);
  }

  static long get(String name) {
    long value = Loaded.CONTROL.standin_get(name);
    if (value < 0) {
      throw new IllegalArgumentException(name);
    }
    return value;
  }

  /** Builds unless the sources are those of the last build. Returns what is missing, or nothing. */
  private static String build() {
    if (!runs("g++", "--version")) {
      return "g++ is not on this machine, it builds the stand-in driver";
    }
    if (!System.getProperty("os.name").equals("Linux")) {
      return "the stand-in driver is for Linux";
    }
    try {
      Path stamp = BUILT.resolveSibling("sources.sha256");
      String now = fingerprint();
      if (Files.exists(BUILT) && Files.exists(stamp) && Files.readString(stamp).equals(now)) {
        return "";
      }
      Files.createDirectories(BUILT.getParent());
      Path log = BUILT.resolveSibling("build.log");
      Process process =
          new ProcessBuilder("src/test/standin/build.sh", BUILT.getParent().toString())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      if (!process.waitFor(10, TimeUnit.MINUTES) || process.exitValue() != 0) {
        process.destroyForcibly();
        throw new IllegalStateException("the stand-in does not build:\n" + Files.readString(log));
      }
      Files.writeString(stamp, now);
      return "";
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  private static String fingerprint() throws IOException {
    try (Stream<Path> kernels = Files.list(Path.of("src", "main", "cuda"));
        Stream<Path> own = Files.list(Path.of("src", "test", "standin"))) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (Path source : Stream.concat(kernels, own).sorted().toList()) {
        digest.update(source.toString().getBytes(StandardCharsets.UTF_8));
        digest.update(Files.readAllBytes(source));
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Whether a program is there. */
  static boolean runs(String... command) {
    try {
      Process process =
          new ProcessBuilder(List.of(command))
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor() == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
