package io.peft4j.serve;

import io.peft4j.Golden;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sequences that come and go, each with an adapter of its own, get what they get alone. */
class RouterGenerationTest {

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gemma2", "gpt2"})
  void eachSequenceIsAsAlone(String base, @TempDir Path folder) throws IOException {
    check(base, folder, 30, 1, 5, 32);
  }

  @Tag("slow")
  @ParameterizedTest
  @ValueSource(strings = {"llama", "qwen2", "qwen3", "gpt-neox", "phi3", "mistral-long"})
  void manyAreAsAlone(String base, @TempDir Path folder) throws IOException {
    check(base, folder, 150, 1, 2, 3, 5, 8, 13, 21, 32);
  }

  private static void check(String base, Path folder, int count, int... batches)
      throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + base), LoadOptions.DEFAULT)) {
      Served.checkAsAlone(lm, Served.saveAll(lm.model(), folder), count, base.hashCode(), batches);
    }
  }
}
