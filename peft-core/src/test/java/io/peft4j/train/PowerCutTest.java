package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Cuts the power: training writes to a file system on a loop device (Linux, as root), whose image
 * is copied at some moment. What the copy holds after its journal was replayed is what a disk
 * holds.
 */
@Tag("slow")
class PowerCutTest {

  private static final int CUTS = 20;

  @Test
  void whatWasSaidToBeSavedIsThere(@TempDir Path folder) throws Exception {
    byte[] expected = expected(folder);
    for (int cut = 0; cut < CUTS; cut++) {
      try (Disk disk = Disk.create(folder)) {
        Process process = start(disk);
        process.getInputStream().readAllBytes();
        assertEquals(0, process.waitFor());
        Thread.sleep(cut % 4 == 3 ? 2000 : 0);
        disk.cut();
        Path output = disk.after().resolve("o");
        assertArrayEquals(expected, TinyTraining.weights(output), "cut " + cut);
        resumes(expected, output, "cut " + cut);
      }
    }
    System.out.println(CUTS + " power cuts after the end: all whole");
  }

  @Test
  void aCutWithinTheRunLosesNoMoreThanTheLastSteps(@TempDir Path folder) throws Exception {
    byte[] expected = expected(folder);
    Random random = new Random(1);
    List<String> moments = new ArrayList<>();
    for (int cut = 0; cut < CUTS; cut++) {
      try (Disk disk = Disk.create(folder)) {
        Process process = start(disk);
        int step = 1 + random.nextInt(20);
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
          for (String line; (line = lines.readLine()) != null && !line.equals("step " + step); ) {}
          Thread.sleep(random.nextInt(30));
          // still, so that the copy is of one moment
          Disk.run("kill", "-STOP", Long.toString(process.pid()));
          disk.cut();
        }
        process.destroyForcibly().waitFor();
        Path output = disk.after().resolve("o");
        int from = resumes(expected, output, "cut at step " + step);
        assertEquals(true, from >= (step - 1) / 3 * 3, "step " + step + ", resumed from " + from);
        moments.add(step + " -> " + from);
      }
    }
    System.out.println("power cut at a step -> the step gone on from: " + moments);
  }

  private static byte[] expected(Path folder) throws IOException {
    return TinyTraining.run(
        TinyTraining.arguments().saveTotalLimit(2).build(), folder.resolve("expected"));
  }

  private static Process start(Disk disk) throws IOException {
    return Fork.start(ResumableRun.class, List.of("-Xmx512m"), disk.mounted().resolve("o"));
  }

  /** {@return the step that the resumed run went on from} */
  private static int resumes(byte[] expected, Path output, String when) throws Exception {
    Process process = Fork.start(ResumableRun.class, List.of("-Xmx512m"), output);
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), when);
    assertArrayEquals(expected, TinyTraining.weights(output), when);
    return 21 - out.split("step ", -1).length + 1;
  }

  /** An ext4 file system in a file, and what is left of it after the power was cut. */
  private record Disk(Path image, Path copy, Path mounted, Path after) implements AutoCloseable {

    static Disk create(Path folder) throws Exception {
      boolean able =
          System.getProperty("os.name").equals("Linux")
              && "root".equals(System.getProperty("user.name"))
              && Files.exists(Path.of("/dev/loop-control"));
      if (!able) {
        System.out.println("PowerCutTest skips: it mounts a loop device, as root, on Linux");
      }
      assumeTrue(able, "needs Linux, root and loop devices");
      Disk disk =
          new Disk(
              folder.resolve("disk.img"),
              folder.resolve("copy.img"),
              Files.createDirectories(folder.resolve("disk")),
              Files.createDirectories(folder.resolve("after")));
      Files.deleteIfExists(disk.image);
      run("truncate", "-s", "64M", disk.image.toString());
      run("mkfs.ext4", "-q", "-F", disk.image.toString());
      run("mount", "-o", "loop", disk.image.toString(), disk.mounted.toString());
      return disk;
    }

    void cut() throws Exception {
      run("cp", "--sparse=always", image.toString(), copy.toString());
      run("mount", "-o", "loop", copy.toString(), after.toString());
    }

    static void run(String... command) throws Exception {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(true, process.waitFor(60, TimeUnit.SECONDS), out);
      assertEquals(0, process.exitValue(), String.join(" ", command) + ": " + out);
    }

    @Override
    public void close() throws Exception {
      for (Path place : List.of(after, mounted)) {
        new ProcessBuilder("umount", "-l", place.toString()).start().waitFor();
      }
      Files.deleteIfExists(copy);
      Files.deleteIfExists(image);
    }
  }
}
