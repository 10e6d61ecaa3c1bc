package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.Spelling;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What becomes of the keys that peft's config classes have and that nothing here is read from: some
 * change nothing, whatever they hold, and some ask for what there is not, unless they are off.
 */
public final class ConfigKeys {

  public static final String WEIGHT_TYING = "ensure_weight_tying";

  /** Keys without effect, of all of peft's methods, and why. */
  private static final Map<String, String> ALWAYS_IDLE =
      Map.of(
          "auto_mapping", "names the base's class in Python",
          "peft_version", "says what wrote the file",
          "revision", "the base's on the hub, which is chosen where it is loaded");

  private static final Map<String, String> LORA_IDLE =
      Map.ofEntries(
          Map.entry("runtime_config", "is for one process; peft drops it from files"),
          Map.entry("megatron_core", "a Python module; goes with megatron_config"),
          Map.entry("qalora_group_size", "goes with use_qalora"),
          Map.entry("loftq_config", "how it was initialized"),
          Map.entry("eva_config", "how it was initialized"),
          Map.entry("corda_config", "how it was initialized"),
          Map.entry("lora_ga_config", "how it was initialized"));

  private static final Map<String, Map<String, String>> IDLE =
      Map.of(
          "LORA", LORA_IDLE,
          "ADALORA",
              with(
                  LORA_IDLE,
                  Map.of(
                      "r", "peft's AdaLoRA takes init_r",
                      "alpha_pattern", "peft's AdaLoRA takes lora_alpha for all",
                      "use_rslora", "peft's AdaLoRA scales as ever",
                      "fan_in_fan_out", "weights are turned when the base is loaded",
                      "lora_bias", "peft's AdaLoRA has none")),
          "IA3", Map.of("fan_in_fan_out", "weights are turned when the base is loaded"),
          "VERA", Map.of("fan_in_fan_out", "weights are turned when the base is loaded"),
          "LOHA", Map.of("use_effective_conv2d", "is for convolutions, which no model here has"),
          "LOKR", Map.of("use_effective_conv2d", "is for convolutions, which no model here has"),
          "PREFIX_TUNING", Map.of(),
          "PROMPT_TUNING",
              Map.of("tokenizer_name_or_path", "a text is told apart by the base's own tokenizer"),
          "P_TUNING", Map.of());

  /**
   * Keys of variants of LoRA that change what the tensors mean, which only null and false leave.
   */
  private static final Set<String> LORA_OFF_BY_NULL =
      Set.of("arrow_config", "kasa_config", "velora_config", "monteclora_config", "use_bdlora");

  /** Those that an empty list or object leaves too. */
  private static final Set<String> LORA_OFF_BY_NOTHING =
      Set.of(
          "target_parameters",
          "trainable_token_indices",
          "layer_replication",
          "use_qalora",
          "alora_invocation_tokens",
          "megatron_config");

  private ConfigKeys() {}

  private static Map<String, String> with(Map<String, String> some, Map<String, String> more) {
    Map<String, String> all = new HashMap<>(some);
    all.putAll(more);
    return Map.copyOf(all);
  }

  /** {@return why a key has no effect here, or null} */
  public static String idle(String peftType, String key) {
    return ALWAYS_IDLE.getOrDefault(key, IDLE.getOrDefault(peftType, Map.of()).get(key));
  }

  /** {@return whether a key asks for something that is not supported, unless it is off} */
  public static boolean unsupported(String peftType, String key) {
    boolean adaLora = peftType.equals("ADALORA");
    return (adaLora && key.equals(WEIGHT_TYING))
        || ((adaLora || peftType.equals("LORA"))
            && (LORA_OFF_BY_NULL.contains(key) || LORA_OFF_BY_NOTHING.contains(key)));
  }

  /**
   * @throws IllegalArgumentException if {@code json} asks for something that is not supported; the
   *     message names the key
   */
  public static void refuseUnsupported(String peftType, ObjectNode json) {
    json.properties()
        .forEach(
            entry -> {
              String key = entry.getKey();
              if (unsupported(peftType, key) && !off(key, entry.getValue())) {
                throw new IllegalArgumentException(
                    "'"
                        + key
                        + "' asks for a variant of LoRA that is not supported: "
                        + entry.getValue());
              }
            });
  }

  private static boolean off(String key, JsonNode value) {
    boolean nothing = value.isContainerNode() && value.isEmpty();
    return value.isNull()
        || (value.isBoolean() && !value.asBoolean())
        || (nothing && LORA_OFF_BY_NOTHING.contains(key));
  }

  /**
   * {@return of the keys of a config, sentences on those that nobody knows} peft drops them with a
   * warning.
   *
   * @param known the keys that the method reads
   */
  public static List<String> unknown(String peftType, ObjectNode json, Collection<String> known) {
    List<String> unknown = new ArrayList<>();
    for (String key : new TreeSet<>(json.properties().stream().map(Map.Entry::getKey).toList())) {
      if (!known.contains(key) && idle(peftType, key) == null && !unsupported(peftType, key)) {
        unknown.add(
            String.format(
                Locale.ROOT,
                "'%s' is no key of %s and has no effect; near: %s",
                key,
                peftType,
                String.join(", ", Spelling.nearest(key, known, 3))));
      }
    }
    return unknown;
  }
}
