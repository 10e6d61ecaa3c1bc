package io.peft4j;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Data outside the repository, at -Dpeft4j.shared or PEFT4J_SHARED. */
public final class Shared {

  private Shared() {}

  /** {@return a file or folder there; where it is absent, the test is skipped, saying so} */
  public static Path path(String name) {
    String shared =
        Optional.ofNullable(System.getProperty("peft4j.shared"))
            .or(() -> Optional.ofNullable(System.getenv("PEFT4J_SHARED")))
            .orElse("../../shared");
    Path path = Path.of(shared).resolve(name);
    if (!Files.exists(path)) {
      System.out.println("skipped: no " + path);
      assumeTrue(false, "no " + path);
    }
    return path;
  }
}
