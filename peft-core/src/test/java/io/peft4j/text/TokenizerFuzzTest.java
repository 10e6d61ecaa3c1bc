package io.peft4j.text;

import io.peft4j.fuzz.FuzzRun;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Mutated tokenizers end in an exception at worst: the process lives, and soon comes to an end. */
class TokenizerFuzzTest {

  @TempDir private Path folder;

  @Test
  void fiveHundred() throws Exception {
    FuzzRun.run(TokenizerFuzz.class, 1, 500, folder);
  }

  @Test
  @Tag("slow")
  void twentyThousand() throws Exception {
    FuzzRun.run(TokenizerFuzz.class, 2, 20_000, folder);
  }
}
