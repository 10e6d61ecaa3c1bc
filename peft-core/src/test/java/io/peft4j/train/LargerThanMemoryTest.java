package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.jna.Platform;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A model whose weights are larger than all the memory that the process may have is tuned layer by
 * layer, with the gradients of an unlimited process. The limit is the kernel's: {@code ulimit -v}
 * bounds the address space, in which mapped files count too, so a process can hold no more than
 * that of anything. It takes no privileges.
 */
@Tag("slow")
class LargerThanMemoryTest {

  /** What the JVM reserves by default would alone exceed the limit. */
  private static final List<String> SMALL_JVM =
      List.of(
          "-Xmx192m",
          "-XX:+UseSerialGC",
          "-XX:CompressedClassSpaceSize=48m",
          "-XX:ReservedCodeCacheSize=48m",
          "-Xss1m",
          "-XX:TieredStopAtLevel=1");

  private static final long LIMIT_BYTES = 2_400_000_000L;

  private record Result(int code, String line, String output) {}

  private static Result run(Path model, boolean stream, long limitBytes) throws Exception {
    Process process =
        Fork.startLimited(
            limitBytes, StreamedRun.class, SMALL_JVM, model, Boolean.toString(stream));
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    String line =
        output.lines().filter(text -> text.startsWith("result ")).findFirst().orElse(null);
    return new Result(process.waitFor(), line, output);
  }

  @Test
  void isTunedUnderALimitBelowItsWeights(@TempDir Path folder) throws Exception {
    if (!Platform.isLinux()) {
      System.out.println("LargerThanMemoryTest skipped: ulimit -v is Linux's");
    }
    assumeTrue(Platform.isLinux(), "ulimit -v is Linux's");
    Path model = new RandomLlama(20, 2560, 6912, 4000).write(folder.resolve("model"));
    long weights = weights(model);
    System.out.printf(Locale.ROOT, "weights %,d bytes, limit %,d bytes%n", weights, LIMIT_BYTES);
    assertTrue(weights > 1.3 * LIMIT_BYTES, weights + " bytes");

    Result streamed = run(model, true, LIMIT_BYTES);
    assertEquals(0, streamed.code(), streamed.output());
    Result whole = run(model, false, LIMIT_BYTES);
    assertNotEquals(0, whole.code(), "the limit holds");
    assertTrue(whole.output().contains("cannot map"), whole.output());
    Result unlimited = run(model, false, 0);
    System.out.println("under the limit: " + streamed.line());
    System.out.println("without:         " + unlimited.line());
    assertEquals(unlimited.line(), streamed.line());
  }

  private static long weights(Path model) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.openUnmapped(model)) {
      return checkpoint.totalBytes();
    }
  }
}
