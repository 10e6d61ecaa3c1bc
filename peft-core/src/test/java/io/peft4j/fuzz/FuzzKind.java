package io.peft4j.fuzz;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;

/**
 * A kind of input, with its mutants. Implementations have a constructor without arguments, which
 * also makes sure that what is not mutated is taken.
 */
public interface FuzzKind {

  /** {@return a mutant: contents by the files' names within a folder} */
  Map<String, byte[]> mutant(Random random) throws IOException;

  /**
   * Reads what lies in {@code folder}, and uses what was read.
   *
   * @throws IOException if it cannot be read, as {@link IllegalArgumentException} and {@link
   *     IllegalStateException} are if it is wrong; anything else is an error
   */
  void use(Path folder) throws IOException;
}
