package io.peft4j;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Optional;

/** The Python that tests of what is shared with it run: -Dpeft4j.python or PEFT4J_PYTHON. */
public final class TestPython {

  private TestPython() {}

  /** {@return its path; without one the test is skipped, and says so} */
  public static String orSkip() {
    String python =
        Optional.ofNullable(System.getProperty("peft4j.python"))
            .orElse(System.getenv("PEFT4J_PYTHON"));
    if (python == null) {
      System.out.println("skipped: neither -Dpeft4j.python nor PEFT4J_PYTHON names a Python");
    }
    assumeTrue(python != null, "no Python given");
    return python;
  }
}
