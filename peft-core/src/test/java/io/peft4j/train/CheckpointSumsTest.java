package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is a damaged checkpoint, and what is said of it. */
class CheckpointSumsTest {

  @TempDir private Path folder;

  @Test
  void wholeAndCut() throws IOException {
    Path part = Files.writeString(folder.resolve("part"), "content");
    CheckpointSums.write(folder);
    assertNull(CheckpointSums.damage(folder));
    Files.writeString(part, "conten");
    String damage = CheckpointSums.damage(folder);
    assertTrue(damage.startsWith(part + ": expected 7 bytes with CRC-32C"), damage);
    Files.delete(part);
    assertTrue(CheckpointSums.damage(folder).equals(part + " is missing"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"{}", "[\"x\"]", "7", "null", "", "{\"a\\u0000b\": {}}"})
  void sumsOfNothing(String sums) throws IOException {
    Path file = Files.writeString(folder.resolve(CheckpointSums.FILE), sums);
    String damage = CheckpointSums.damage(folder);
    assertTrue(damage != null && damage.startsWith(file + ": expected"), damage);
  }
}
