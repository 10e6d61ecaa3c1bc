package io.peft4j.quant.checkpoint;

import io.peft4j.fuzz.FuzzRun;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** As {@code FuzzTest} in peft-core. */
class QuantizedFuzzTest {

  @TempDir private Path folder;

  @Test
  void some() throws Exception {
    FuzzRun.run(QuantizedFuzz.class, 1, 100, folder);
  }

  @Test
  @Tag("slow")
  void many() throws Exception {
    FuzzRun.run(QuantizedFuzz.class, 2, 2000, folder);
  }
}
