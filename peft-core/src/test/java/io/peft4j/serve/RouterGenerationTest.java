package io.peft4j.serve;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sequences that come and go, each with an adapter of its own, get what they get alone. */
class RouterGenerationTest {

  private static final int CASES = 33;

  private record Case(String adapter, int[] prompt, GenerationConfig config) {}

  @ParameterizedTest
  @ValueSource(
      strings = {"llama", "gemma2", "gpt2"})
  void eachSequenceIsAsAlone(String base, @TempDir Path folder) throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + base), LoadOptions.DEFAULT)) {
      Map<String, Path> adapters = new LinkedHashMap<>();
      for (Map.Entry<String, AdapterConfig> entry : Served.decoderConfigs().entrySet()) {
        try {
          adapters.put(
              entry.getKey(),
              Served.save(
                  lm.model(),
                  entry.getKey(),
                  entry.getValue(),
                  entry.getKey().hashCode(),
                  0.1,
                  folder.resolve(entry.getKey())));
        } catch (IllegalArgumentException e) {
          System.out.println(base + " has no " + entry.getKey() + ": " + e.getMessage());
        }
      }
      assertTrue(adapters.size() >= 5, "served: " + adapters.keySet());
      Random random = new Random(base.hashCode());
      int vocabulary = lm.model().vocabularySize();
      List<String> names = new ArrayList<>(adapters.keySet());
      List<Case> cases = new ArrayList<>();
      Map<Case, int[]> expected = new LinkedHashMap<>();
      for (int i = 0; i < CASES; i++) {
        int pick = random.nextInt(names.size() + 1);
        int[] prompt = random.ints(1 + random.nextInt(24), 1, vocabulary).toArray();
        Case next =
            new Case(
                pick == names.size() ? null : names.get(pick),
                prompt,
                GenerationConfig.greedy().withMaxNewTokens(1 + random.nextInt(20)));
        cases.add(next);
        expected.put(next, Served.alone(lm, adapters.get(next.adapter), prompt, next.config));
      }
      for (int batch : new int[] {1, 5, 32}) {
        try (AdapterRouter router =
            AdapterRouter.builder(lm.model())
                .batch(batch)
                .prefillChunk(1 + random.nextInt(40))
                .build()) {
          for (Map.Entry<String, Path> adapter : adapters.entrySet()) {
            router.register(adapter.getKey(), adapter.getValue());
          }
          Map<Case, GenerationHandle> handles = new LinkedHashMap<>();
          for (Case next : cases) {
            handles.put(
                next,
                router.generate(
                    GenerationRequest.builder(next.prompt)
                        .adapter(next.adapter)
                        .config(next.config)
                        .build()));
            if (random.nextInt(4) == 0) {
              Thread.sleep(random.nextInt(10));
            }
          }
          for (Map.Entry<Case, GenerationHandle> entry : handles.entrySet()) {
            int[] found = entry.getValue().result().join().ids();
            assertArrayEquals(
                expected.get(entry.getKey()),
                found,
                base + " with " + entry.getKey().adapter + " in batches of " + batch);
          }
          RouterMetrics metrics = router.metrics();
          assertEquals(CASES, metrics.counters().completed());
        }
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
