package io.peft4j.model.family;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What llama.cpp calls a family and its modules ({@code gguf-py}'s tensor mapping). */
public final class GgufNames {

  private final String architecture;
  private final String layers;
  private final Map<String, String> inLayer;
  private final Map<String, String> outside;
  private final Set<String> permuted;

  private GgufNames(
      String architecture,
      String layers,
      Map<String, String> inLayer,
      Map<String, String> outside,
      Set<String> permuted) {
    this.architecture = architecture;
    this.layers = layers;
    this.inLayer = inLayer;
    this.outside = outside;
    this.permuted = permuted;
  }

  /** {@return the family} */
  public String architecture() {
    return architecture;
  }

  /** {@return the list of layers among the modules, such as {@code model.layers}} */
  public String layers() {
    return layers;
  }

  /** {@return names of a layer's modules, by Hugging Face's} */
  public Map<String, String> inLayer() {
    return inLayer;
  }

  /** {@return names of the other modules, by Hugging Face's} */
  public Map<String, String> outside() {
    return outside;
  }

  /**
   * {@return modules of a layer whose rows change places: llama.cpp turns neighbouring elements of
   * their heads, Hugging Face element i and i + d/2}
   */
  public Set<String> permuted() {
    return permuted;
  }

  /**
   * {@return those of a family where it turns heads as Hugging Face does}
   *
   * @param architecture what it calls the family
   * @param layers the list of layers among the modules, such as {@code model.layers}
   * @param inLayer names of a layer's modules, by Hugging Face's
   * @param outside names of the other modules, by Hugging Face's
   */
  public static GgufNames of(
      String architecture,
      String layers,
      Map<String, String> inLayer,
      Map<String, String> outside) {
    return new GgufNames(architecture, layers, inLayer, outside, Set.of());
  }

  /** {@return those of a family whose modules are called as Llama's, and turned as they are} */
  public static GgufNames asLlama(String architecture) {
    return of(
        architecture,
        "model.layers",
        Map.of(
            "self_attn.q_proj", "attn_q",
            "self_attn.k_proj", "attn_k",
            "self_attn.v_proj", "attn_v",
            "self_attn.o_proj", "attn_output",
            "mlp.gate_proj", "ffn_gate",
            "mlp.up_proj", "ffn_up",
            "mlp.down_proj", "ffn_down"),
        Map.of("lm_head", "output", "model.embed_tokens", "token_embd"));
  }

  /** {@return these, where the rows of {@code modules} change places} */
  public GgufNames permuting(String... modules) {
    return new GgufNames(architecture, layers, inLayer, outside, Set.of(modules));
  }

  /** {@return whether the rows of a module change places} */
  public boolean permutes(String module) {
    Matcher layer = inLayer(module);
    return layer.matches() && permuted.contains(layer.group(2));
  }

  /**
   * {@return the name of a module's weight}
   *
   * @throws IllegalArgumentException if llama.cpp has none
   */
  public String weight(String module) {
    Matcher layer = inLayer(module);
    String name =
        layer.matches()
            ? inLayer.containsKey(layer.group(2))
                ? "blk." + layer.group(1) + "." + inLayer.get(layer.group(2))
                : null
            : outside.get(module);
    if (name == null) {
      throw new IllegalArgumentException(module + ": has no name in GGUF that is known here");
    }
    return name + ".weight";
  }

  private Matcher inLayer(String module) {
    return Pattern.compile(Pattern.quote(layers) + "\\.(\\d+)\\.(.+)").matcher(module);
  }

  private List<Object> values() {
    return Arrays.asList(architecture, layers, inLayer, outside, permuted);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof GgufNames that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return "GgufNames" + values();
  }
}
