package io.peft4j.adapter.compose;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Each example of a batch with several adapters gets what it gets alone. */
class MixedAdaptersTest {

  private static Map<String, AdapterConfig> configs() {
    Map<String, AdapterConfig> configs = new LinkedHashMap<>();
    LoraConfig lora = LoraConfig.builder().r(4).init(LoraInit.RANDOM).build();
    configs.put("lora", lora);
    configs.put("wide", lora.toBuilder().r(7).targetModules("query", "output.dense").build());
    configs.put("head", lora.toBuilder().r(2).taskType("SEQ_CLS").build());
    configs.put("all", lora.toBuilder().targetModules(ModuleSelector.allLinear()).build());
    configs.put("dora", lora.toBuilder().useDora(true).build());
    configs.put("ia3", MethodConfig.of("IA3").with("init_ia3_weights", false));
    configs.put("loha", MethodConfig.of("LOHA").with("init_weights", false));
    configs.put("prefix", MethodConfig.of("PREFIX_TUNING").with("num_virtual_tokens", 3));
    configs.put("prompt", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 2));
    configs.put("norms", MethodConfig.of("LN_TUNING").with("task_type", "SEQ_CLS"));
    configs.put("bottleneck", MethodConfig.of("BOTTLENECK"));
    return configs;
  }

  private static TokenSequence sequence(Model model, Random random, int length) {
    return model.sequence(random.ints(length, 4, 100).toArray(), null);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"encoders/bert", "encoders/distilbert", "encoders/roberta", "decoders/cls-llama"})
  void eachExampleIsAsAlone(String base) throws IOException {
    try (Model model = Model.load(Golden.path(base), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      boolean bert = base.equals("encoders/bert");
      Map<String, AdapterConfig> configs = configs();
      if (!bert) {
        configs.remove("wide");
      }
      Random random = new Random(7);
      configs.forEach(
          (name, config) -> {
            Adapter adapter = adapted.add(name, config, name.hashCode());
            adapter.setTrainable(false);
            // Away from where training starts, where some methods do nothing.
            for (NDArray tensor : adapter.tensors().values()) {
              float[] values = tensor.toFloatArray();
              for (int i = 0; i < values.length; i++) {
                values[i] += (float) (0.1 * random.nextGaussian());
              }
              tensor.set(values);
            }
          });
      List<TokenSequence> sequences = new ArrayList<>();
      List<String> names = new ArrayList<>();
      List<String> all = new ArrayList<>(configs.keySet());
      all.add(MixedAdapters.BASE);
      for (int i = 0; i < 36; i++) {
        sequences.add(sequence(model, random, 2 + random.nextInt(14)));
        names.add(all.get(random.nextInt(all.size())));
      }
      adapted.activate("lora");
      try (MixedAdapters mixed = new MixedAdapters(adapted, configs.keySet())) {
        float[][] together = mixed.logits(sequences, names);
        assertTrue(adapted.adapter("lora").active(), "the adapter active before is so again");
        double largest = 0;
        for (int i = 0; i < together.length; i++) {
          String name = names.get(i);
          adapted.activate(name.equals(MixedAdapters.BASE) ? new String[0] : new String[] {name});
          try (TokenBatch batch = model.batch(List.of(sequences.get(i)))) {
            double distance = Golden.distance(new float[][] {together[i]}, model.logits(batch));
            assertTrue(distance < 1e-4, name + ": " + distance);
            largest = Math.max(largest, distance);
          }
        }
        System.out.printf(Locale.ROOT, "%s: mixed rows differ by %.1e%n", base, largest);
        assertThrows(
            IllegalArgumentException.class, () -> mixed.logits(sequences, List.of("lora")));
        assertEquals(0, mixed.logits(List.of(), List.of()).length);
      }
    }
  }
}
