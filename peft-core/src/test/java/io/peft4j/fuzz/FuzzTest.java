package io.peft4j.fuzz;

import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Mutated files end in an exception in words at worst: the process lives, and soon goes on. */
class FuzzTest {

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({
    "ModelFuzz$Configs, 200",
    "ModelFuzz$Checkpoints, 200",
    "AdapterFuzz, 150",
    "DataFuzz, 1000"
  })
  void some(String kind, int count) throws Exception {
    run(kind, 1, count);
  }

  @ParameterizedTest
  @Tag("slow")
  @CsvSource({
    "ModelFuzz$Configs, 6000",
    "ModelFuzz$Checkpoints, 4000",
    "AdapterFuzz, 4000",
    "DataFuzz, 20000"
  })
  void many(String kind, int count) throws Exception {
    run(kind, 2, count);
  }

  private void run(String kind, long seed, int count) throws Exception {
    Class<?> type = Class.forName(FuzzTest.class.getPackageName() + "." + kind);
    FuzzRun.run(type.asSubclass(FuzzKind.class), seed, count, folder);
  }
}
