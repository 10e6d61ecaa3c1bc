package io.peft4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterHead;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Texts with adapters of different ranks, methods and labels get what each gets alone. */
class RouterClassificationTest {

  private static final int TEXTS = 80;

  private static Map<String, AdapterConfig> configs() {
    Map<String, AdapterConfig> configs = new LinkedHashMap<>();
    LoraConfig lora = LoraConfig.builder().r(4).init(LoraInit.RANDOM).build();
    configs.put("lora", lora);
    configs.put("two", lora.toBuilder().r(2).taskType("SEQ_CLS").build());
    configs.put("three", lora.toBuilder().r(7).taskType("SEQ_CLS").build());
    configs.put("five", lora.toBuilder().r(3).taskType("SEQ_CLS").build());
    configs.put("all", lora.toBuilder().targetModules(ModuleSelector.allLinear()).build());
    configs.put("dora", lora.toBuilder().useDora(true).taskType("SEQ_CLS").build());
    configs.put("ia3", MethodConfig.of("IA3").with("init_ia3_weights", false));
    configs.put("prefix", MethodConfig.of("PREFIX_TUNING").with("num_virtual_tokens", 3));
    configs.put("prompt", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 2));
    configs.put("bottleneck", MethodConfig.of("BOTTLENECK"));
    return configs;
  }

  private static LoadOptions options(String name) {
    int labels = // of the head that it brings; 0 for the base's own
        switch (name) {
          case "two" -> 2;
          case "three", "dora" -> 3;
          case "five" -> 5;
          default -> 0;
        };
    return labels == 0
        ? LoadOptions.DEFAULT
        : LoadOptions.DEFAULT.withNewHead(Task.SINGLE_LABEL, LabelNames.generic(labels));
  }

  private record Text(String adapter, int[] ids) {}

  /** {@return what each text gets with the adapter by itself} */
  private static Map<Text, float[]> alone(Path base, Path adapter, List<Text> texts)
      throws IOException {
    LoadOptions options =
        adapter == null ? LoadOptions.DEFAULT : AdapterHead.of(base, adapter, LoadOptions.DEFAULT);
    Map<Text, float[]> scores = new LinkedHashMap<>();
    try (Model model = Model.load(base, options);
        AdaptedModel adapted = new AdaptedModel(model)) {
      if (adapter != null) {
        adapted.load("alone", adapter);
      }
      for (Text text : texts) {
        try (TokenBatch batch = model.batch(List.of(model.sequence(text.ids, null)))) {
          scores.put(text, model.logits(batch)[0]);
        }
      }
    }
    return scores;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"encoders/bert", "encoders/distilbert", "encoders/roberta", "decoders/cls-llama"})
  void eachTextIsAsAlone(String name, @TempDir Path folder) throws IOException {
    Path base = Golden.path(name);
    Map<String, Path> adapters = new LinkedHashMap<>();
    for (Map.Entry<String, AdapterConfig> entry : configs().entrySet()) {
      try (Model model = Model.load(base, options(entry.getKey()))) {
        Path saved = folder.resolve(entry.getKey());
        Served.save(model, entry.getKey(), entry.getValue(), entry.getKey().hashCode(), 0.1, saved);
        adapters.put(entry.getKey(), saved);
      }
    }
    Random random = new Random(5);
    List<String> names = new ArrayList<>(adapters.keySet());
    names.add(null);
    Map<String, List<Text>> texts = new LinkedHashMap<>();
    List<Text> inOrder = new ArrayList<>();
    for (int i = 0; i < TEXTS; i++) {
      int[] ids = random.ints(2 + random.nextInt(14), 4, 100).toArray();
      inOrder.add(new Text(names.get(random.nextInt(names.size())), ids));
      texts.computeIfAbsent(inOrder.get(i).adapter, key -> new ArrayList<>()).add(inOrder.get(i));
    }
    Map<Text, float[]> expected = new LinkedHashMap<>();
    for (Map.Entry<String, List<Text>> each : texts.entrySet()) {
      expected.putAll(alone(base, adapters.get(each.getKey()), each.getValue()));
    }
    for (int batch : new int[] {1, 32}) {
      check(base, adapters, inOrder, expected, batch);
    }
  }

  private static void check(
      Path base,
      Map<String, Path> adapters,
      List<Text> texts,
      Map<Text, float[]> expected,
      int batch)
      throws IOException {
    try (Model model = Model.load(base, LoadOptions.DEFAULT);
        AdapterRouter router = AdapterRouter.builder(model).batch(batch).queue(TEXTS).build()) {
      for (Map.Entry<String, Path> adapter : adapters.entrySet()) {
        router.register(adapter.getKey(), adapter.getValue());
      }
      assertEquals(5, router.labels("five").size());
      Map<Text, CompletableFuture<Classified>> found = new LinkedHashMap<>();
      for (Text text : texts) {
        found.put(text, router.classify(ClassificationRequest.of(text.adapter, text.ids, null)));
      }
      double largest = 0;
      for (Map.Entry<Text, CompletableFuture<Classified>> entry : found.entrySet()) {
        Text text = entry.getKey();
        Classified classified = entry.getValue().join();
        float[] scores = expected.get(text);
        assertEquals(scores.length, classified.scores().length, text.adapter);
        assertEquals(scores.length, classified.labels().size(), text.adapter);
        double distance =
            Golden.distance(new float[][] {classified.scores()}, new float[][] {scores});
        assertTrue(distance < 1e-4, text.adapter + " differs by " + distance);
        largest = Math.max(largest, distance);
      }
      System.out.printf(Locale.ROOT, "batches of %d: scores differ by %.1e%n", batch, largest);
    }
  }
}
