package org.example.olmo2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.example.Reference;
import org.junit.jupiter.api.Test;

/** A family that the library does not know, added by one file. */
class Olmo2Test {

  @Test
  void tokenLogProbabilitiesEqualTransformers() throws Exception {
    Reference.of("olmo2").assertEqualLogProbs();
  }

  @Test
  void greedyTokensEqualTransformers() throws Exception {
    Reference.of("olmo2").assertEqualGreedyTokens();
  }

  @Test
  void adaptersGoWhereTheFamilySays() throws Exception {
    try (CausalLm lm = CausalLm.load(Reference.of("olmo2").folder(), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("new", LoraConfig.builder().build(), 1);
      Set<String> modules = new TreeSet<>();
      adapter.tensors().keySet().forEach(key -> modules.add(key.replaceFirst("\\.lora_.*", "")));
      assertEquals(
          List.of(
              "model.layers.0.self_attn.q_proj",
              "model.layers.0.self_attn.v_proj",
              "model.layers.1.self_attn.q_proj",
              "model.layers.1.self_attn.v_proj"),
          List.copyOf(modules));
      assertTrue(lm.model().modules().names().contains("model.layers.0.self_attn.q_norm"));
    }
  }
}
