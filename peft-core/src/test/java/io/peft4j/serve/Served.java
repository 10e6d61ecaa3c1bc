package io.peft4j.serve;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

/** Adapters for a router, and what a request gets with one of them alone. */
public final class Served {

  private Served() {}

  /** {@return configs for decoders: plain LoRA of several ranks, and other methods} */
  public static Map<String, AdapterConfig> decoderConfigs() {
    Map<String, AdapterConfig> configs = new LinkedHashMap<>();
    LoraConfig lora = LoraConfig.builder().r(4).init(LoraInit.RANDOM).build();
    LoraConfig all = lora.toBuilder().targetModules(ModuleSelector.allLinear()).build();
    configs.put("lora", lora);
    configs.put("wide", all.toBuilder().r(9).loraAlpha(20).build());
    configs.put("narrow", all.toBuilder().r(1).build());
    configs.put("head", lora.toBuilder().r(3).targetModules("q_proj", "lm_head").build());
    configs.put("words", lora.toBuilder().r(2).targetModules("embed_tokens", "v_proj").build());
    configs.put("saved", lora.toBuilder().r(2).modulesToSave(List.of("lm_head")).build());
    configs.put("dora", lora.toBuilder().useDora(true).build());
    configs.put("ia3", MethodConfig.of("IA3").with("init_ia3_weights", false));
    configs.put(
        "loha",
        MethodConfig.of("LOHA")
            .with("init_weights", false)
            .with("target_modules", List.of("q_proj", "v_proj")));
    configs.put("prefix", MethodConfig.of("PREFIX_TUNING").with("num_virtual_tokens", 3));
    configs.put("prompt", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 2));
    return configs;
  }

  /** {@return folders of adapters with those of {@link #decoderConfigs} that the model has} */
  public static Map<String, Path> saveAll(Model model, Path folder) throws IOException {
    Map<String, Path> adapters = new LinkedHashMap<>();
    for (Map.Entry<String, AdapterConfig> entry : decoderConfigs().entrySet()) {
      String name = entry.getKey();
      try {
        Path saved = folder.resolve(name);
        save(model, name, entry.getValue(), name.hashCode(), 0.1, saved);
        adapters.put(name, saved);
      } catch (IllegalArgumentException e) {
        System.out.println("no " + name + ": " + e.getMessage());
      }
    }
    assertTrue(adapters.size() >= 5, "served: " + adapters.keySet());
    return adapters;
  }

  /** Writes an adapter away from where training starts to {@code folder}. */
  public static Path save(
      Model model, String name, AdapterConfig config, long seed, double scale, Path folder)
      throws IOException {
    try (AdaptedModel adapted = new AdaptedModel(model)) {
      Adapter adapter = adapted.add(name, config, seed);
      adapter.setTrainable(false);
      Random random = new Random(seed);
      for (NDArray tensor : adapter.tensors().values()) {
        float[] values = tensor.toFloatArray();
        for (int i = 0; i < values.length; i++) {
          values[i] += (float) (scale * random.nextGaussian());
        }
        tensor.set(values);
      }
      adapted.save(name, folder, Map.of());
    }
    return folder;
  }

  /** What a prompt gets of one adapter alone: greedy tokens, and their log-probabilities. */
  public record Alone(int[] tokens, float[] logprobs) {}

  /**
   * {@return the tokens as {@link Generator} gives them, and their log-probabilities as all of the
   * text in one pass without a cache gives them}
   */
  public static Alone alone(CausalLm lm, Path adapter, int[] prompt, GenerationConfig config)
      throws IOException {
    try (AdaptedModel adapted = new AdaptedModel(lm.model())) {
      if (adapter != null) {
        adapted.load("alone", adapter);
      }
      int[] tokens =
          new Generator(lm)
              .generate(List.of(prompt), config, (row, token, text) -> {})
              .get(0)
              .tokens();
      int[] all = IntStream.concat(IntStream.of(prompt), IntStream.of(tokens)).toArray();
      float[] logprobs = lm.logProbs(List.of(lm.sequence(all)))[0];
      return new Alone(
          tokens,
          Arrays.copyOfRange(logprobs, prompt.length - 1, prompt.length - 1 + tokens.length));
    }
  }

  private record Case(String adapter, int[] prompt, GenerationConfig config) {}

  /**
   * Makes sure that sequences which come and go at random, each with an adapter of its own, get
   * what they get alone.
   *
   * @param batches sizes
   */
  public static void checkAsAlone(
      CausalLm lm, Map<String, Path> adapters, int count, long seed, int... batches)
      throws IOException {
    Random random = new Random(seed);
    int vocabulary = lm.model().vocabularySize();
    List<String> names = new ArrayList<>(adapters.keySet());
    Map<Case, Alone> expected = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      int pick = i < names.size() ? i : random.nextInt(names.size() + 1);
      String name = pick == names.size() ? null : names.get(pick);
      int[] prompt = random.ints(1 + random.nextInt(24), 1, vocabulary).toArray();
      GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(1 + random.nextInt(20));
      expected.put(new Case(name, prompt, config), alone(lm, adapters.get(name), prompt, config));
    }
    for (int batch : batches) {
      try (AdapterRouter router =
          AdapterRouter.builder(lm.model())
              .batch(batch)
              .prefillChunk(1 + random.nextInt(40))
              .build()) {
        for (Map.Entry<String, Path> adapter : adapters.entrySet()) {
          router.register(adapter.getKey(), adapter.getValue());
        }
        Map<Case, GenerationHandle> handles = new LinkedHashMap<>();
        for (Case next : expected.keySet()) {
          GenerationRequest.Builder request =
              GenerationRequest.builder(next.prompt).adapter(next.adapter).config(next.config);
          handles.put(next, router.generate(request.logprobs(2).build()));
          if (random.nextInt(4) == 0) {
            LockSupport.parkNanos(random.nextInt(10_000_000));
          }
        }
        double largest = 0;
        for (Map.Entry<Case, GenerationHandle> entry : handles.entrySet()) {
          Case asked = entry.getKey();
          Alone alone = expected.get(asked);
          String what = asked.adapter + " in batches of " + batch;
          GenerationResult found = entry.getValue().result().join();
          assertArrayEquals(alone.tokens, found.ids(), what);
          for (int t = 0; t < alone.tokens.length; t++) {
            GeneratedToken token = found.tokens().get(t);
            double off = Math.abs(alone.logprobs[t] - token.logprob());
            assertTrue(off < 1e-4, what + ": logprob differs by " + off);
            assertEquals(token.token(), token.top().get(0).token(), "the likeliest");
            largest = Math.max(largest, off);
          }
        }
        System.out.printf(Locale.ROOT, "batches of %d: logprobs differ by %.1e%n", batch, largest);
        assertEquals(count, router.metrics().counters().completed());
      }
    }
  }
}
