package io.peft4j.serve;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters and requests that come and go, and what goes wrong with some of them. */
class RouterLifeTest {

  private static final GenerationConfig SHORT = GenerationConfig.greedy().withMaxNewTokens(6);
  private static final int[] PROMPT = {5, 17, 40};

  @TempDir private Path folder;
  private CausalLm lm;

  @BeforeEach
  void load() throws IOException {
    lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
  }

  @AfterEach
  void close() {
    lm.close();
  }

  private Path adapter(String name, int rank, long seed) throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(rank)
            .init(LoraInit.RANDOM)
            .targetModules(ModuleSelector.allLinear())
            .build();
    return Served.save(lm.model(), name, config, seed, 0.1, folder.resolve(name));
  }

  private static GenerationRequest.Builder request(String adapter) {
    return GenerationRequest.builder(PROMPT).adapter(adapter).config(SHORT);
  }

  private static GenerationResult run(AdapterRouter router, String adapter) {
    return router.generate(request(adapter).build()).result().join();
  }

  private static <T extends Throwable> T fails(Class<T> kind, GenerationHandle handle) {
    CompletionException e = assertThrows(CompletionException.class, () -> handle.result().join());
    return assertInstanceOf(kind, e.getCause());
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
  }

  @Test
  void aThousandAdaptersWithinTheBudgetOfFifty() throws IOException {
    List<Path> kinds = new ArrayList<>();
    List<int[]> expected = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      kinds.add(adapter("kind" + i, 2, i));
      expected.add(Served.alone(lm, kinds.get(i), PROMPT, SHORT).tokens());
    }
    Random random = new Random(3);
    try (AdapterRouter probe = AdapterRouter.builder(lm.model()).build()) {
      probe.register("one", kinds.get(0));
      long bytes = probe.adapter("one").bytes();
      try (AdapterRouter router =
          AdapterRouter.builder(lm.model()).adapterMemory(50 * bytes).queue(2000).build()) {
        for (int i = 0; i < 1000; i++) {
          router.register("a" + i, kinds.get(i % 5));
        }
        Map<GenerationHandle, Integer> handles = new HashMap<>();
        for (int i = 0; i < 300; i++) {
          int which = random.nextInt(1000);
          handles.put(router.generate(request("a" + which).build()), which);
          RouterMetrics.Gauges gauges = router.metrics().gauges();
          assertTrue(gauges.adapterBytes() <= 50 * bytes, "within the budget: " + gauges);
        }
        handles.forEach(
            (handle, which) ->
                assertArrayEquals(expected.get(which % 5), handle.result().join().ids()));
        RouterMetrics metrics = router.metrics();
        assertEquals(1000, metrics.gauges().registered());
        assertEquals(50, metrics.gauges().loaded());
        assertTrue(metrics.counters().evictions() > 100, "evicted: " + metrics.counters());
        assertEquals(0, metrics.counters().failed());
      }
    }
  }

  @Test
  void aRequestKeepsTheVersionItBeganWith() throws Exception {
    Path first = adapter("first", 3, 1);
    Path second = adapter("second", 5, 2);
    int[] old = Served.alone(lm, first, PROMPT, SHORT).tokens();
    int[] young = Served.alone(lm, second, PROMPT, SHORT).tokens();
    assertFalse(Arrays.equals(old, young), "the two say different things");
    try (AdapterRouter router = AdapterRouter.builder(lm.model()).build()) {
      router.register("it", first);
      CountDownLatch begun = new CountDownLatch(1);
      GenerationHandle running =
          router.generate(request("it").listener(token -> begun.countDown()).build());
      assertTrue(begun.await(60, TimeUnit.SECONDS));
      router.register("it", second);
      GenerationResult later = run(router, "it");
      assertArrayEquals(old, running.result().join().ids());
      assertEquals(1, running.result().join().version());
      assertArrayEquals(young, later.ids());
      assertEquals(2, later.version());
      assertTrue(router.remove("it"));
      assertFalse(router.remove("it"));
      assertThrows(UnknownAdapterException.class, () -> run(router, "it"));
      waitUntilUnloaded(router);
    }
  }

  private static void waitUntilUnloaded(AdapterRouter router) throws InterruptedException {
    for (int i = 0; i < 600 && router.metrics().gauges().loaded() > 0; i++) {
      Thread.sleep(50);
    }
    assertEquals(0, router.metrics().gauges().loaded());
    assertEquals(0, router.metrics().gauges().adapterBytes());
  }

  @Test
  void oneThatIsBrokenFailsAlone() throws Exception {
    Path good = adapter("good", 3, 1);
    int[] expected = Served.alone(lm, good, PROMPT, SHORT).tokens();
    Path cut = folder.resolve("cut");
    copy(good, cut);
    Path weights = cut.resolve("adapter_model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    Path nan = folder.resolve("nan");
    copy(good, nan);
    byte[] poisoned = bytes.clone();
    for (int i = 1; i <= 4; i++) {
      poisoned[poisoned.length - i] = (byte) 0xff;
    }
    Files.write(nan.resolve("adapter_model.safetensors"), poisoned);
    Path gone = folder.resolve("gone");
    copy(good, gone);
    Path other = folder.resolve("other");
    try (CausalLm wider = CausalLm.load(Golden.path("decoders/qwen3"), LoadOptions.DEFAULT)) {
      LoraConfig config =
          LoraConfig.builder().r(2).targetModules("q_proj", "k_proj", "o_proj").build();
      Served.save(wider.model(), "other", config, 1, 0.1, other);
    }
    try (AdapterRouter router = AdapterRouter.builder(lm.model()).build()) {
      router.register("good", good);
      router.register("nan", nan);
      router.register("gone", gone);
      router.register("cut", cut);
      Files.write(weights, Arrays.copyOf(bytes, bytes.length / 2));
      Files.delete(gone.resolve("adapter_model.safetensors"));
      assertThrows(
          IllegalArgumentException.class, () -> router.register("again", cut), "half a file");
      assertThrows(IllegalArgumentException.class, () -> router.register("other", other));
      assertThrows(IOException.class, () -> router.register("no", folder.resolve("nowhere")));
      assertThrows(UnknownAdapterException.class, () -> run(router, "other"));
      List<GenerationHandle> fine = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        fine.add(router.generate(request("good").build()));
        AdapterException e = fails(AdapterException.class, router.generate(request("nan").build()));
        assertTrue(e.getMessage().contains("finite"), e.getMessage());
        fails(AdapterException.class, router.generate(request("gone").build()));
        e = fails(AdapterException.class, router.generate(request("cut").build()));
        assertNotNull(router.adapter("cut").failure());
      }
      for (GenerationHandle handle : fine) {
        assertArrayEquals(expected, handle.result().join().ids());
      }
      assertEquals(3, router.metrics().counters().loadFailures(), "each is tried once");
      router.register("cut", good);
      assertArrayEquals(expected, run(router, "cut").ids());
    }
  }

  @Test
  void theFullQueueTheLateAndTheCancelled() throws Exception {
    Path good = adapter("good", 3, 1);
    GenerationConfig endless = GenerationConfig.greedy().withMaxNewTokens(50);
    try (AdapterRouter router = AdapterRouter.builder(lm.model()).batch(1).queue(3).build()) {
      router.register("good", good);
      CountDownLatch begun = new CountDownLatch(1);
      CountDownLatch go = new CountDownLatch(1);
      GenerationHandle running =
          router.generate(
              request("good")
                  .config(endless)
                  .listener(
                      token -> {
                        begun.countDown();
                        await(go);
                      })
                  .build());
      assertTrue(begun.await(60, TimeUnit.SECONDS));
      List<GenerationHandle> waiting = new ArrayList<>();
      RejectedException rejected = null;
      for (int i = 0; i < 2000 && rejected == null; i++) {
        try {
          waiting.add(router.generate(request(null).config(endless).build()));
        } catch (RejectedException e) {
          rejected = e;
        }
      }
      assertNotNull(rejected, "the queue has an end");
      assertTrue(rejected.retryAfter().toMillis() > 0);
      assertTrue(router.metrics().gauges().queued() <= 3);
      waiting.forEach(GenerationHandle::cancel);
      for (GenerationHandle handle : waiting) {
        handle.result().get(60, TimeUnit.SECONDS);
      }
      GenerationHandle late =
          router.generate(request(null).config(endless).deadline(Duration.ZERO).build());
      GenerationResult result = late.result().get(60, TimeUnit.SECONDS);
      assertEquals(GenerationResult.Finish.DEADLINE, result.finish());
      assertEquals(0, result.tokens().size());
      assertFalse(running.result().isDone(), "its listener holds up itself alone");
      go.countDown();
      assertEquals(50, running.result().get(60, TimeUnit.SECONDS).tokens().size());
      assertTrue(router.metrics().counters().cancelled() > 0);
      assertEquals(1, router.metrics().counters().expired());
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertTrue(latch.await(60, TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void whatDoesNotFitTheCacheGivesWayAndComesBack() throws IOException {
    Path good = adapter("good", 3, 1);
    GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(55);
    List<int[]> prompts = new ArrayList<>();
    List<int[]> expected = new ArrayList<>();
    Random random = new Random(1);
    for (int i = 0; i < 6; i++) {
      prompts.add(random.ints(4 + i, 1, 100).toArray());
      expected.add(Served.alone(lm, good, prompts.get(i), config).tokens());
    }
    // a token takes 2 layers · 2 · 2 heads · 8 · 4 bytes: room for 4 sequences of 32, or 2 of 64
    long bytes = 2L * 2 * 2 * 8 * 4 * 4 * 32;
    try (AdapterRouter router = AdapterRouter.builder(lm.model()).cacheMemory(bytes).build()) {
      router.register("good", good);
      List<GenerationHandle> handles = new ArrayList<>();
      for (int[] prompt : prompts) {
        handles.add(
            router.generate(
                GenerationRequest.builder(prompt).adapter("good").config(config).build()));
      }
      for (int i = 0; i < prompts.size(); i++) {
        assertArrayEquals(expected.get(i), handles.get(i).result().join().ids());
        assertTrue(router.metrics().gauges().cacheBytes() <= bytes);
      }
      assertTrue(router.metrics().counters().preemptions() > 0);
    }
  }

  @Test
  void aPromptThatBeginsAsARunningOneIsNotComputedAgain() throws Exception {
    Path good = adapter("good", 3, 1);
    int[] system = new Random(9).ints(20, 1, 100).toArray();
    int[] first = IntStream.concat(IntStream.of(system), IntStream.of(7, 8)).toArray();
    int[] second = IntStream.concat(IntStream.of(system), IntStream.of(9)).toArray();
    GenerationConfig longer = GenerationConfig.greedy().withMaxNewTokens(40);
    int[] expected = Served.alone(lm, good, second, SHORT).tokens();
    int[] base = Served.alone(lm, null, second, SHORT).tokens();
    try (AdapterRouter router = AdapterRouter.builder(lm.model()).build()) {
      router.register("good", good);
      CountDownLatch begun = new CountDownLatch(1);
      GenerationHandle running =
          router.generate(
              GenerationRequest.builder(first)
                  .adapter("good")
                  .config(longer)
                  .listener(token -> begun.countDown())
                  .build());
      assertTrue(begun.await(60, TimeUnit.SECONDS));
      GenerationRequest.Builder next = GenerationRequest.builder(second).config(SHORT);
      GenerationHandle other = router.generate(next.build());
      assertArrayEquals(
          expected, router.generate(next.adapter("good").build()).result().join().ids());
      assertArrayEquals(base, other.result().join().ids());
      assertEquals(40, running.result().join().tokens().size());
      assertEquals(20, router.metrics().counters().reusedTokens());
    }
  }

  @Test
  void closingSaysWhatItCuts() throws Exception {
    AdapterRouter router = AdapterRouter.builder(lm.model()).batch(2).build();
    List<GenerationHandle> handles = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      handles.add(
          router.generate(
              request(null).config(GenerationConfig.greedy().withMaxNewTokens(55)).build()));
    }
    int cut = router.close(Duration.ZERO);
    int ended = 0;
    for (GenerationHandle handle : handles) {
      try {
        GenerationResult result = handle.result().get(60, TimeUnit.SECONDS);
        ended += result.finish() == GenerationResult.Finish.CANCELLED ? 0 : 1;
      } catch (ExecutionException e) {
        assertInstanceOf(RejectedException.class, e.getCause());
      }
    }
    assertEquals(8, cut + ended);
    assertThrows(RejectedException.class, () -> run(router, null));
    router.close();
  }

  @Test
  void nothingIsLeftBehind() throws IOException {
    Path good = adapter("good", 3, 1);
    Path dora =
        Served.save(
            lm.model(),
            "dora",
            LoraConfig.builder().r(2).useDora(true).build(),
            4,
            0.1,
            folder.resolve("dora"));
    int before = Held.count(lm.model());
    for (int round = 0; round < 2; round++) {
      try (AdapterRouter router = AdapterRouter.builder(lm.model()).batch(4).build()) {
        router.register("good", good);
        router.register("dora", dora);
        List<GenerationHandle> handles = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
          handles.add(
              router.generate(request(i % 3 == 0 ? "dora" : i % 3 == 1 ? "good" : null).build()));
        }
        handles.forEach(handle -> handle.result().join());
        router.remove("good");
        router.remove("dora");
      }
      assertEquals(before, Held.count(lm.model()), "arrays of the model's manager");
    }
  }
}
