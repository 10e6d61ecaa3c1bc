package io.peft4j.train;

import io.peft4j.fuzz.FuzzRun;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Mutated checkpoints of a training are resumed from or refused in words. */
class CheckpointFuzzTest {

  @TempDir private Path folder;

  @Test
  void some() throws Exception {
    FuzzRun.run(CheckpointFuzz.class, 1, 25, folder);
  }

  @Test
  @Tag("slow")
  void many() throws Exception {
    FuzzRun.run(CheckpointFuzz.class, 2, 500, folder);
  }
}
