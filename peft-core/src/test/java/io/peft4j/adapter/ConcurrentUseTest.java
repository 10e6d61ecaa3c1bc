package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.compose.MixedAdapters;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Decoding;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Many threads on one model: right answers, and exceptions where they would not be. */
class ConcurrentUseTest {

  private static final int THREADS = 6;
  private static final int CASES = 16;

  private static int[] ids(int seed) {
    return new Random(seed).ints(5 + seed % 20, 4, 60).toArray();
  }

  private static String score(CausalLm lm, int seed) {
    return Arrays.toString(lm.logProbs(List.of(lm.sequence(ids(seed))))[0]);
  }

  private static String classify(Model model, int seed) {
    try (TokenBatch batch = model.batch(List.of(model.sequence(ids(seed), null)))) {
      return Arrays.deepToString(model.logits(batch));
    }
  }

  private static String generate(CausalLm lm, int seed) {
    return Arrays.toString(
        new Generator(lm)
            .generate(
                List.of(ids(seed)),
                GenerationConfig.greedy().withMaxNewTokens(8),
                (row, token, text) -> {})
            .get(0)
            .tokens());
  }

  /** Runs {@code job} of 0, 1, … on several threads; throws what any of them throws. */
  private static void threads(int each, IntConsumer job) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      List<Callable<Void>> calls = new ArrayList<>();
      for (int t = 0; t < THREADS; t++) {
        int first = t * each;
        calls.add(
            () -> {
              for (int i = first; i < first + each; i++) {
                job.accept(i);
              }
              return null;
            });
      }
      for (Future<Void> result : threads.invokeAll(calls)) {
        result.get();
      }
    } finally {
      threads.shutdown();
    }
  }

  @FunctionalInterface
  private interface IntConsumer {
    void accept(int i) throws Exception;
  }

  private static void sameFromAll(IntFunction<String> answer, int each) throws Exception {
    String[] expected = IntStream.range(0, CASES).mapToObj(answer).toArray(String[]::new);
    threads(each, i -> assertEquals(expected[i % CASES], answer.apply(i % CASES)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gemma2"})
  void languageModelsAnswerManyThreads(String name) throws Exception {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      sameFromAll(i -> score(lm, i), 20);
      sameFromAll(i -> generate(lm, i), 8);
      adapted.add("a", LoraConfig.builder().r(4).build(), 1);
      sameFromAll(i -> score(lm, i), 20);
    }
  }

  @Test
  void streamedModelsAnswerManyThreads() throws Exception {
    LoadOptions streamed = LoadOptions.DEFAULT.withStreaming(true);
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), streamed)) {
      sameFromAll(i -> score(lm, i), 10);
      sameFromAll(i -> generate(lm, i), 3);
    }
  }

  @Test
  void classifiersAnswerManyThreads() throws Exception {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT)) {
      sameFromAll(i -> classify(model, i), 20);
    }
  }

  /** Adapters switched all the time: each answer is one that some adapter gives. */
  @Test
  void switchingDoesNotMixAnswers() throws Exception {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      for (String name : List.of("a", "b")) {
        // not zero, as a new LoRA is
        LoraConfig random = LoraConfig.builder().r(4).init(LoraInit.RANDOM).build();
        adapted.add(name, random, name.hashCode());
      }
      List<Set<String>> right = new ArrayList<>();
      for (int i = 0; i < CASES; i++) {
        right.add(new TreeSet<>());
        for (String[] names : new String[][] {{}, {"a"}, {"b"}}) {
          adapted.activate(names);
          right.get(i).add(score(lm, i));
        }
        assertEquals(3, right.get(i).size());
      }
      int[] switched = whileChanging(lm, right, () -> adapted.activate("a"), adapted::activate);
      int[] merged = whileChanging(lm, right, () -> adapted.merge("a"), adapted::unmerge);
      int[] deleted =
          whileChanging(
              lm,
              null,
              () -> adapted.add("c", LoraConfig.builder().r(2).build(), 1),
              () -> adapted.delete("c"));
      System.out.printf(
          Locale.ROOT,
          "changed and refused: switched %s, merged %s, added and deleted %s%n",
          Arrays.toString(switched),
          Arrays.toString(merged),
          Arrays.toString(deleted));
    }
  }

  /** {@return how many changes came about, and how many were refused since others ran} */
  private static int[] whileChanging(
      CausalLm lm, List<Set<String>> right, Runnable there, Runnable back) throws Exception {
    AtomicBoolean running = new AtomicBoolean(true);
    int[] counts = new int[2];
    AtomicInteger unexpected = new AtomicInteger();
    Thread changer =
        new Thread(
            () -> {
              boolean away = false;
              while (running.get() || away) {
                try {
                  (away ? back : there).run();
                  away = !away;
                  counts[0]++;
                } catch (IllegalStateException e) {
                  counts[1]++;
                } catch (RuntimeException e) {
                  e.printStackTrace();
                  unexpected.incrementAndGet();
                  return;
                }
              }
            });
    changer.start();
    try {
      threads(
          30,
          i -> {
            String answer = score(lm, i % CASES);
            assertTrue(right == null || isRight(right.get(i % CASES), answer), answer);
          });
    } finally {
      running.set(false);
      changer.join();
    }
    assertEquals(0, unexpected.get());
    return counts;
  }

  /** What is merged is rounded otherwise, by a little. */
  private static boolean isRight(Set<String> right, String answer) {
    return right.contains(answer)
        || right.stream()
            .anyMatch(
                one -> {
                  double[] a = numbers(one);
                  double[] b = numbers(answer);
                  return IntStream.range(0, a.length).allMatch(i -> Math.abs(a[i] - b[i]) < 1e-4);
                });
  }

  private static double[] numbers(String array) {
    return Arrays.stream(array.substring(1, array.length() - 1).split(", "))
        .mapToDouble(Double::parseDouble)
        .toArray();
  }

  @Test
  void closingWaitsForNobodyAndBreaksNothing() throws Exception {
    for (int round = 0; round < 10; round++) {
      CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
      String expected = score(lm, 1);
      AtomicBoolean closed = new AtomicBoolean();
      Thread closer =
          new Thread(
              () -> {
                while (!closed.get()) {
                  try {
                    lm.close();
                    closed.set(true);
                  } catch (IllegalStateException e) {
                    Thread.onSpinWait(); // in use; the message is tested below
                  }
                }
              });
      threads(
          20,
          i -> {
            if (i == 30) {
              closer.start();
            }
            try {
              assertEquals(expected, score(lm, 1));
            } catch (IllegalStateException e) {
              assertEquals("the model is closed", e.getMessage());
            }
          });
      closer.join();
      assertThrows(IllegalStateException.class, () -> score(lm, 1));
      lm.close();
    }
  }

  /** What an adapter puts before a text is there when it is laid out and when it is run. */
  @Test
  void virtualTokensAreThoseOfTheRun() throws Exception {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.add("p", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 2), 1);
      try (TokenBatch batch = model.batch(List.of(model.sequence(ids(1), null)))) {
        String expected = Arrays.deepToString(model.logits(batch));
        adapted.activate();
        Exception e = assertThrows(IllegalStateException.class, () -> model.logits(batch));
        assertTrue(e.getMessage().contains("laid out for other adapters"), e.getMessage());
        adapted.activate("p");
        assertEquals(expected, Arrays.deepToString(model.logits(batch)));
      }
    }
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("p", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 2), 1);
      List<Set<String>> right = new ArrayList<>();
      for (int i = 0; i < CASES; i++) {
        adapted.activate();
        right.add(new TreeSet<>(Set.of(score(lm, i))));
        adapted.activate("p");
        right.get(i).add(score(lm, i));
      }
      whileChanging(lm, right, adapted::activate, () -> adapted.activate("p"));
    }
  }

  @Test
  void adaptersAreListedWhileOthersComeAndGo() throws Exception {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      for (String name : List.of("b", "a")) {
        adapted.add(name, LoraConfig.builder().r(4).build(), 1);
      }
      AtomicBoolean running = new AtomicBoolean(true);
      Thread changer =
          new Thread(
              () -> {
                while (running.get()) {
                  adapted.add("c", LoraConfig.builder().r(4).build(), 1);
                  adapted.delete("c");
                }
              });
      changer.start();
      try {
        for (int i = 0; i < 20_000; i++) {
          List<String> names = List.copyOf(adapted.adapters().keySet());
          assertEquals(List.of("b", "a"), names.subList(0, 2));
          assertEquals("a", adapted.adapter("a").name());
        }
      } finally {
        running.set(false);
        changer.join();
      }
    }
  }

  @Test
  void whatIsUnderWayIsNotChanged() throws Exception {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("a", LoraConfig.builder().r(4).build(), 1);
      try (Decoding decoding = lm.start(List.of(ids(1)))) {
        for (Runnable change :
            List.<Runnable>of(
                () -> adapted.activate(),
                () -> adapted.merge("a"),
                () -> adapted.delete("a"),
                adapted::close,
                lm::close)) {
          Exception e =
              onAnotherThread(() -> assertThrows(IllegalStateException.class, change::run));
          assertTrue(e.getMessage().contains("another thread is running"), e.getMessage());
        }
        decoding.append(new int[] {5});
      }
      assertEquals(1, onAnotherThread(() -> adapted.adapters().size()));
    }
  }

  private static <T> T onAnotherThread(Callable<T> call) throws Exception {
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try {
      return thread.submit(call).get();
    } finally {
      thread.shutdown();
    }
  }

  @Test
  void closedInAnyOrderAndTwice() throws Exception {
    CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
    AdaptedModel adapted = new AdaptedModel(lm.model());
    adapted.add("a", LoraConfig.builder().r(4).build(), 1);
    lm.close();
    adapted.close();
    adapted.close();
    lm.close();
    Exception e = assertThrows(IllegalStateException.class, () -> score(lm, 1));
    assertEquals("the model is closed", e.getMessage());
    assertThrows(IllegalStateException.class, () -> adapted.activate());
  }

  @Test
  void filesThatAreChangedInPlaceAreNoticed(@TempDir Path folder) throws Exception {
    for (String how : List.of("cut", "overwritten", "replaced", "deleted")) {
      Path copy = Files.createDirectory(folder.resolve(how));
      for (String file : List.of("config.json", "model.safetensors")) {
        Files.copy(Golden.path("decoders/llama").resolve(file), copy.resolve(file));
      }
      Path weights = copy.resolve("model.safetensors");
      try (CausalLm lm = CausalLm.load(copy, LoadOptions.DEFAULT)) {
        String expected = score(lm, 1);
        change(how, weights);
        if (how.equals("replaced") || how.equals("deleted")) {
          assertEquals(expected, score(lm, 1));
        } else {
          Exception e = assertThrows(IllegalStateException.class, () -> score(lm, 1));
          assertTrue(e.getMessage().contains(weights.toString()), e.getMessage());
          assertThrows(IllegalStateException.class, () -> lm.start(List.of(ids(1))));
          assertThrows(IllegalStateException.class, () -> lm.model().fingerprint());
        }
      }
    }
  }

  private static void change(String how, Path weights) throws IOException {
    switch (how) {
      case "deleted" -> Files.delete(weights);
      case "replaced" -> {
        Path other = Files.write(weights.resolveSibling("other"), new byte[100]);
        Files.move(other, weights, StandardCopyOption.REPLACE_EXISTING);
      }
      default -> {
        try (FileChannel channel = FileChannel.open(weights, StandardOpenOption.WRITE)) {
          if (how.equals("cut")) {
            channel.truncate(5000);
          } else {
            channel.write(ByteBuffer.wrap(new byte[1000]), 9000);
          }
        }
      }
    }
  }

  @Test
  void rowsOfSeveralAdaptersTakeTurns() throws Exception {
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      List<String> names = List.of("a", "b");
      for (String name : names) {
        adapted.add(name, LoraConfig.builder().r(4).init(LoraInit.RANDOM).build(), name.hashCode());
      }
      try (MixedAdapters mixed = new MixedAdapters(adapted, names)) {
        float[][] expected =
            mixed.logits(
                List.of(model.sequence(ids(1), null), model.sequence(ids(2), null)), names);
        threads(
            10,
            i -> {
              float[][] found =
                  mixed.logits(
                      List.of(model.sequence(ids(1), null), model.sequence(ids(2), null)), names);
              assertArrayEquals(expected[0], found[0]);
              assertArrayEquals(expected[1], found[1]);
            });
      }
    }
  }
}
