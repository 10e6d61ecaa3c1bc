package io.peft4j.serve;

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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

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
    configs.put("loha", MethodConfig.of("LOHA").with("init_weights", false)
        .with("target_modules", List.of("q_proj", "v_proj")));
    configs.put("prefix", MethodConfig.of("PREFIX_TUNING").with("num_virtual_tokens", 3));
    configs.put("prompt", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 2));
    return configs;
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

  /** {@return the greedy tokens that {@code prompt} gets of one adapter alone} */
  public static int[] alone(CausalLm lm, Path adapter, int[] prompt, GenerationConfig config)
      throws IOException {
    try (AdaptedModel adapted = new AdaptedModel(lm.model())) {
      if (adapter != null) {
        adapted.load("alone", adapter);
      }
      return new Generator(lm)
          .generate(List.of(prompt), config, (row, token, text) -> {})
          .get(0)
          .tokens();
    }
  }
}
