package io.peft4j.gguf;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What llama.cpp calls the modules of Hugging Face's models ({@code gguf-py}'s tensor mapping). */
final class GgufNames {

  private static final Pattern LAYER =
      Pattern.compile("(?:model\\.layers|transformer\\.h|gpt_neox\\.layers)\\.(\\d+)\\.(.+)");

  private static final Map<String, String> IN_LAYER =
      Map.ofEntries(
          Map.entry("self_attn.q_proj", "attn_q"),
          Map.entry("self_attn.k_proj", "attn_k"),
          Map.entry("self_attn.v_proj", "attn_v"),
          Map.entry("self_attn.o_proj", "attn_output"),
          Map.entry("self_attn.qkv_proj", "attn_qkv"),
          Map.entry("mlp.gate_proj", "ffn_gate"),
          Map.entry("mlp.up_proj", "ffn_up"),
          Map.entry("mlp.gate_up_proj", "ffn_up"),
          Map.entry("mlp.down_proj", "ffn_down"),
          Map.entry("attn.c_attn", "attn_qkv"),
          Map.entry("attn.c_proj", "attn_output"),
          Map.entry("mlp.c_fc", "ffn_up"),
          Map.entry("mlp.c_proj", "ffn_down"));

  private static final Map<String, String> OUTSIDE =
      Map.of(
          "lm_head", "output",
          "model.embed_tokens", "token_embd",
          "transformer.wte", "token_embd");

  private GgufNames() {}

  /**
   * {@return the name of a module's weight}
   *
   * @throws IllegalArgumentException if llama.cpp has none that this export knows
   */
  static String weight(String module) {
    Matcher layer = LAYER.matcher(module);
    String name =
        layer.matches()
            ? IN_LAYER.containsKey(layer.group(2))
                ? "blk." + layer.group(1) + "." + IN_LAYER.get(layer.group(2))
                : null
            : OUTSIDE.get(module);
    if (name == null) {
      throw new IllegalArgumentException(module + ": has no name in GGUF that is known here");
    }
    return name + ".weight";
  }
}
