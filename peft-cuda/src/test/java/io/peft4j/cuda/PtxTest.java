package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The PTX that ships: that it is the sources', and that NVIDIA's assembler takes it everywhere. */
class PtxTest {
  private static final List<Integer> DEVICES = List.of(75, 80, 86, 89, 90);

  /** Registers of a multiprocessor. */
  private static final int REGISTERS = 65536;

  private static final int STATIC_SHARED = 48 << 10;

  static Stream<PtxModule> modules() {
    return PtxModule.TARGETS.stream()
        .flatMap(target -> PtxModule.NAMES.stream().map(name -> PtxModule.load(name, target)));
  }

  /** As they are loaded: compute_75 on sm_75, compute_80 on all later ones. */
  @ParameterizedTest
  @MethodSource("modules")
  void assemblesForTheDevicesThatLoadIt(PtxModule module) {
    check(module, device -> PtxModule.targetFor(device) == module.target());
  }

  /** The older PTX on the newer devices, where it is not loaded. */
  @ParameterizedTest
  @MethodSource("modules")
  @Tag("slow")
  void assemblesForLaterDevices(PtxModule module) {
    check(
        module,
        device -> device > module.target() && PtxModule.targetFor(device) != module.target());
  }

  private static void check(PtxModule module, IntPredicate devices) {
    assertTrue(module.text().startsWith(".version 8.0\n"), "what a CUDA 12.0 driver takes");
    DEVICES.stream().filter(devices::test).parallel().forEach(device -> check(module, device));
  }

  private static void check(PtxModule module, int device) {
    List<Assembly.Usage> kernels = Assembly.of(module, device);
    assertEquals(
        module.kernels().keySet(),
        new TreeSet<>(kernels.stream().map(Assembly.Usage::kernel).toList()));
    for (Assembly.Usage usage : kernels) {
      String line =
          String.format(Locale.ROOT, "compute_%d on sm_%d: %s", module.target(), device, usage);
      System.out.println(line);
      assertEquals(0, usage.spilledBytes(), line);
      assertTrue(usage.registers() * usage.threads() <= REGISTERS, line);
      assertTrue(usage.sharedBytes() <= STATIC_SHARED, line);
    }
  }

  @Test
  void sourcesAreThoseThePtxWasMadeFrom() throws Exception {
    String recorded = resource("sources.sha256");
    TreeSet<String> expected = new TreeSet<>(recorded.lines().toList());
    TreeSet<String> found = new TreeSet<>();
    try (Stream<Path> sources = Files.list(Path.of("src", "main", "cuda"))) {
      for (Path source : sources.filter(s -> s.toString().matches(".*\\.cuh?")).toList()) {
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(source));
        found.add(HexFormat.of().formatHex(hash) + "  " + source.getFileName());
      }
    }
    assertEquals(expected, found, "run src/main/cuda/build-ptx.sh");
  }

  /**
   * Builds all anew and compares text with text. Another nvcc's text may differ, and is not ours.
   */
  @Test
  void nvccMakesTheSamePtx() throws Exception {
    String shipped = resource("nvcc.version").strip();
    String here = nvcc();
    if (!here.equals(shipped)) {
      System.out.println(
          "SKIPPED nvccMakesTheSamePtx: the PTX was made by nvcc "
              + shipped
              + ", found "
              + (here.isEmpty() ? "none" : here));
    }
    assumeTrue(here.equals(shipped), "another nvcc, or none");
    Path out = Files.createDirectories(Path.of("target", "ptx"));
    Process process =
        new ProcessBuilder("src/main/cuda/build-ptx.sh", out.toString()).inheritIO().start();
    assertTrue(process.waitFor(20, TimeUnit.MINUTES) && process.exitValue() == 0);
    int compared = 0;
    for (PtxModule module : modules().toList()) {
      Path made = out.resolve("compute_" + module.target()).resolve(module.name() + ".ptx.gz");
      try (InputStream in = new java.util.zip.GZIPInputStream(Files.newInputStream(made))) {
        String text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
        assertEquals(module.text(), text, made.toString());
        compared++;
      }
    }
    System.out.println(compared + " PTX files are what nvcc " + here + " makes of the sources");
    assertEquals(26, compared);
  }

  /** The version of the nvcc on this machine, such as V13.0.88; empty without one. */
  private static String nvcc() throws Exception {
    try {
      Process process = new ProcessBuilder("nvcc", "--version").start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      process.waitFor();
      Matcher version = Pattern.compile("V[0-9.]+$", Pattern.MULTILINE).matcher(output);
      return version.find() ? version.group() : "";
    } catch (IOException e) {
      return ""; // no such program, which is the answer
    }
  }

  private static String resource(String name) throws IOException {
    try (InputStream in = PtxModule.class.getResourceAsStream("ptx/" + name)) {
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    }
  }
}
