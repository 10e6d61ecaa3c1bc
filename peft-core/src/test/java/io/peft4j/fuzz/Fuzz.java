package io.peft4j.fuzz;

import com.fasterxml.jackson.core.JacksonException;
import io.peft4j.train.report.ProcessMemory;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * Tries mutants of a kind, in a process of its own, see {@link FuzzRun}. Writes the number of each
 * mutant to a file before it is tried, and prints what it came to if that is not what it may be;
 * what came of the same lines of code is printed once.
 */
final class Fuzz {

  static final String CURRENT = "current";

  /** What a mutant may take, in seconds and in bytes of memory of all sorts. */
  private static final long SECONDS = 10;

  private static final long BYTES = 4L << 30;

  private final FuzzKind kind;
  private final Path folder;
  private final Map<String, byte[]> written = new HashMap<>();
  private final Set<String> seen = new HashSet<>();
  private final int first;
  private volatile int number;
  private volatile long since = System.nanoTime();
  private int accepted;

  private Fuzz(FuzzKind kind, int first, Path folder) {
    this.kind = kind;
    this.first = first;
    this.number = first;
    this.folder = folder;
  }

  /** Arguments: class of the kind, seed, first mutant, one behind the last, a folder to work in. */
  public static void main(String[] arguments) throws Exception {
    Path folder = Files.createDirectories(Path.of(arguments[4]).resolve("files"));
    FuzzKind kind = (FuzzKind) Class.forName(arguments[0]).getDeclaredConstructor().newInstance();
    Fuzz fuzz = new Fuzz(kind, Integer.parseInt(arguments[2]), folder);
    Thread watchdog = new Thread(fuzz::watch, "watchdog");
    watchdog.setDaemon(true);
    fuzz.since = System.nanoTime();
    watchdog.start();
    long seed = Long.parseLong(arguments[1]);
    int last = Integer.parseInt(arguments[3]);
    try (RandomAccessFile current =
        new RandomAccessFile(Path.of(arguments[4]).resolve(CURRENT).toFile(), "rw")) {
      for (int i = fuzz.first; i < last; i++) {
        current.seek(0);
        current.writeInt(i);
        fuzz.number = i;
        fuzz.since = System.nanoTime();
        fuzz.attempt(new Random(seed * 1_000_003 + i));
      }
    }
    System.out.println("accepted " + fuzz.accepted);
    System.exit(0);
  }

  private void attempt(Random random) throws IOException {
    write(kind.mutant(random));
    try {
      kind.use(folder);
      accepted++;
    } catch (Throwable e) {
      if (!isClean(e) && seen.add(place(e))) {
        System.out.println("odd " + number + " " + e);
        e.printStackTrace(System.out);
      }
    }
  }

  /** {@return whether it says, in words and of a file of the mutant, what is wrong} */
  private boolean isClean(Throwable e) {
    boolean ours = e.getClass().getName().startsWith("io.peft4j.");
    boolean type =
        e.getClass() == IllegalArgumentException.class
            || e.getClass() == IllegalStateException.class
            || (e instanceof IllegalArgumentException && ours)
            || (e instanceof IOException && !(e instanceof JacksonException));
    return type && e.getMessage() != null && e.getMessage().contains(folder.toString());
  }

  private static String place(Throwable e) {
    StringBuilder place = new StringBuilder(e.getClass().getName());
    int frames = 0;
    for (StackTraceElement frame : e.getStackTrace()) {
      if (frame.getClassName().startsWith("io.peft4j.") && frames++ < 3) {
        place.append(' ').append(frame);
      }
    }
    return place.toString();
  }

  private void write(Map<String, byte[]> mutant) throws IOException {
    for (String name : Set.copyOf(written.keySet())) {
      if (!mutant.containsKey(name)) {
        Files.deleteIfExists(folder.resolve(name));
        written.remove(name);
      }
    }
    for (Map.Entry<String, byte[]> file : mutant.entrySet()) {
      if (written.put(file.getKey(), file.getValue()) != file.getValue()) {
        Path path = folder.resolve(file.getKey());
        Files.createDirectories(path.getParent());
        Files.write(path, file.getValue());
      }
    }
  }

  /** Ends the process with a mutant that takes too long or too much. */
  private void watch() {
    Thread main =
        Thread.getAllStackTraces().keySet().stream()
            .filter(thread -> thread.getName().equals("main"))
            .findFirst()
            .orElseThrow();
    while (true) {
      try {
        Thread.sleep(100);
      } catch (InterruptedException e) {
        return;
      }
      String excess = excess();
      if (excess != null) {
        System.out.println("odd " + number + " " + excess);
        for (StackTraceElement frame : main.getStackTrace()) {
          System.out.println("\tat " + frame);
        }
        System.out.flush();
        Runtime.getRuntime().halt(FuzzRun.EXCESS);
      }
    }
  }

  private String excess() {
    // with the first mutant libraries are loaded
    long limit = number == first ? 6 * SECONDS : SECONDS;
    if (System.nanoTime() - since > limit * 1_000_000_000) {
      return "takes more than " + limit + " s";
    }
    long resident = ProcessMemory.now().rssBytes().orElse(0);
    return resident > BYTES ? "takes " + resident + " bytes" : null;
  }
}
