package io.peft4j.torch;

import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where DJL unpacks native libraries, and loads them from if they are there already. Whoever can
 * write to that folder runs code as this user. So it and the libraries in it have to belong to the
 * user or to root, and nobody else may write there: neither other users, nor a group other than
 * root's and the user's own (the one of the same number).
 *
 * <p>It is what {@code ENGINE_CACHE_DIR} or {@code DJL_CACHE_DIR} names; else {@code ~/.djl.ai};
 * else, where the home folder cannot be written to, a folder of the user's among the temporary
 * files. (DJL itself would take {@code /tmp/.djl.ai}, whoever made it.)
 *
 * @param user the number of the user who runs this
 */
record NativeFolder(int user) {

  private static final Logger LOG = LoggerFactory.getLogger(NativeFolder.class);
  private static final boolean POSIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("unix");

  /** The folders with libraries, and how deep these lie: ENGINE/VERSION/ARCHITECTURE/FILE. */
  private static final List<String> LIBRARIES = List.of("pytorch", "tokenizers", "jcuda");

  private static final int DEPTH = 3;

  private static final String ADVICE =
      "; libraries are loaded from a folder that only you or root can write to: set DJL_CACHE_DIR"
          + " to one, or to one that is not there yet";

  /**
   * {@return the folder; it is there}
   *
   * @param settings of the environment and of the JVM, by name; null for none
   * @throws IllegalArgumentException if none is safe; the message says what is wrong with each
   */
  static Path of(UnaryOperator<String> settings) {
    int user =
        Platform.isWindows()
            ? 0
            : NativeLibrary.getProcess().getFunction("geteuid").invokeInt(new Object[0]);
    return new NativeFolder(user)
        .choose(
            settings,
            Path.of(System.getProperty("user.home")),
            Path.of(System.getProperty("java.io.tmpdir")));
  }

  Path choose(UnaryOperator<String> settings, Path home, Path temporary) {
    for (String name : List.of("ENGINE_CACHE_DIR", "DJL_CACHE_DIR")) {
      String named = settings.apply(name);
      if (named != null && !named.isEmpty()) {
        Path folder = Path.of(named).toAbsolutePath();
        problem(folder)
            .ifPresent(
                what -> {
                  throw new IllegalArgumentException(name + ": " + what + ADVICE);
                });
        return folder;
      }
    }
    List<Path> candidates = new ArrayList<>();
    if (Files.isWritable(home)) {
      candidates.add(home.resolve(".djl.ai"));
    }
    candidates.add(temporary.resolve("djl.ai-" + (POSIX ? user : System.getProperty("user.name"))));
    List<String> problems = new ArrayList<>();
    for (Path candidate : candidates) {
      Path folder = candidate.toAbsolutePath();
      Optional<String> problem = problem(folder);
      if (problem.isEmpty()) {
        problems.forEach(what -> LOG.warn("native libraries go to {}, for {}", folder, what));
        return folder;
      }
      problems.add(problem.get());
    }
    throw new IllegalArgumentException(
        "no folder for native libraries: " + String.join("; ", problems) + ADVICE);
  }

  /** What is wrong with the folder or the libraries in it, which is made if it is missing. */
  private Optional<String> problem(Path folder) {
    try {
      if (!Files.exists(folder)) {
        privately(folder);
      }
      if (!POSIX) {
        return Optional.empty();
      }
      Optional<String> problem = problemOfOne(folder);
      for (String libraries : LIBRARIES) {
        Path below = folder.resolve(libraries);
        if (problem.isEmpty() && Files.exists(below)) {
          problem = firstProblem(below);
        }
      }
      return problem;
    } catch (IOException | UncheckedIOException e) {
      return Optional.of(folder + " cannot be used: " + e.getMessage());
    }
  }

  /** Makes a folder, if it is missing, that nobody else may use; {@return it} */
  static Path privately(Path folder) {
    try {
      return POSIX
          ? Files.createDirectories(
              folder,
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")))
          : Files.createDirectories(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Optional<String> firstProblem(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder, DEPTH)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Optional<String> problem = problemOfOne(file);
        if (problem.isPresent()) {
          return problem;
        }
      }
    }
    return Optional.empty();
  }

  /** What is wrong with a file or folder; of a link, also with the link itself. */
  private Optional<String> problemOfOne(Path file) throws IOException {
    boolean foreign = false;
    if (Files.isSymbolicLink(file)) {
      foreign =
          isForeign((Integer) Files.getAttribute(file, "unix:uid", LinkOption.NOFOLLOW_LINKS));
    }
    Map<String, Object> found = Files.readAttributes(file, "unix:uid,gid,owner,permissions");
    @SuppressWarnings("unchecked")
    Set<PosixFilePermission> permissions = (Set<PosixFilePermission>) found.get("permissions");
    int group = (Integer) found.get("gid");
    boolean shared =
        permissions.contains(PosixFilePermission.OTHERS_WRITE)
            || (permissions.contains(PosixFilePermission.GROUP_WRITE)
                && group != 0
                && group != user);
    return foreign || isForeign((Integer) found.get("uid")) || shared
        ? Optional.of(
            String.format(
                Locale.ROOT,
                "%s belongs to %s (group %d) with mode %s",
                file,
                found.get("owner"),
                group,
                PosixFilePermissions.toString(permissions)))
        : Optional.empty();
  }

  private boolean isForeign(int owner) {
    return owner != 0 && owner != user;
  }
}
