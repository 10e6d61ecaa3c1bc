package io.peft4j.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One run at a time writes to a folder. */
class OutputLockTest {

  @TempDir private Path temp;

  /** Takes the folder and keeps it until its input ends. */
  public static final class Holder {
    private Holder() {}

    public static void main(String[] arguments) throws IOException {
      try (OutputLock lock = OutputLock.of(Path.of(arguments[0]))) {
        System.out.println("held");
        int ignored = System.in.read();
      }
    }
  }

  /** By whoever is another thread. */
  private static void assertTaken(Path folder) {
    Throwable failure =
        CompletableFuture.supplyAsync(() -> assertThrows(IOException.class, () -> take(folder)))
            .join();
    IOException e = assertInstanceOf(IOException.class, failure);
    assertTrue(e.getMessage().startsWith(folder + ": another run is writing to it"), e.toString());
  }

  private static void take(Path folder) throws IOException {
    OutputLock.of(folder).close();
  }

  @Test
  void aThreadThatHasItMayTakeItAgain() throws IOException {
    try (OutputLock lock = OutputLock.of(temp)) {
      OutputLock.of(temp).close();
      assertTaken(temp);
      assertTrue(Files.exists(temp.resolve(OutputLock.FILE)));
    }
    OutputLock.of(temp).close();
    assertFalse(Files.exists(temp.resolve(OutputLock.FILE)), "nothing is left");
  }

  @Test
  void withinAProcess() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("output"));
    Path other = Files.createDirectory(temp.resolve("other"));
    try (OutputLock lock = OutputLock.of(folder)) {
      assertTaken(folder);
      OutputLock.of(other).close();
      assertTaken(temp.resolve("other/../output"));
      assertTaken(folder);
    }
    assertFalse(Files.exists(folder.resolve(OutputLock.FILE)), "nothing is left");
    OutputLock.of(folder).close();
  }

  @Test
  void againstAnotherProcessEvenIfThatIsKilled() throws Exception {
    Process holder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Holder.class.getName(),
                temp.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader out = holder.inputReader()) {
      assertEquals("held", out.readLine());
      assertTaken(temp);
      assertTaken(temp); // having looked once changes nothing
    } finally {
      holder.destroyForcibly();
      assertTrue(holder.waitFor(60, TimeUnit.SECONDS));
    }
    assertTrue(Files.exists(temp.resolve(OutputLock.FILE)), "what a killed process leaves");
    OutputLock.of(temp).close();
  }

  /**
   * A run that opens the file just before another removes it may not think it has the folder: each
   * of some processes takes it as often as it can, and makes a file there that may not exist.
   */
  @Test
  void neverTwoAtOnce() throws Exception {
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      processes.add(
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  Taker.class.getName(),
                  temp.toString())
              .inheritIO()
              .start());
    }
    for (Process process : processes) {
      assertTrue(process.waitFor(120, TimeUnit.SECONDS));
      assertEquals(0, process.exitValue());
    }
  }

  /** Takes the folder many times. */
  public static final class Taker {
    private static final int TIMES = 1500;

    private Taker() {}

    public static void main(String[] arguments) throws IOException {
      Path folder = Path.of(arguments[0]);
      int taken = 0;
      while (taken < TIMES) {
        try (OutputLock lock = OutputLock.of(folder)) {
          Path alone = Files.createFile(folder.resolve("alone"));
          Files.delete(alone);
          taken++;
        } catch (FileAlreadyExistsException e) {
          throw e;
        } catch (IOException e) {
          if (!e.getMessage().contains("another run")) {
            throw e;
          }
        }
      }
    }
  }
}
