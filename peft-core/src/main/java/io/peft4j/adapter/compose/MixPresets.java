package io.peft4j.adapter.compose;

import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.library.BottleneckPresets;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Mixes that papers name. Their parts act, are trained and are saved as {@link AdapterMix} says.
 */
public final class MixPresets {

  private MixPresets() {}

  /**
   * {@return a mix by name: {@code mam} or {@code unipelt}}
   *
   * @param taskType peft's, such as {@code SEQ_CLS}; may be null
   * @throws IllegalArgumentException if there is none of that name
   */
  public static Map<String, AdapterConfig> named(String name, String taskType) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "mam" -> mam(taskType);
      case "unipelt" -> unipelt(taskType);
      default ->
          throw new IllegalArgumentException("expected mam or unipelt as a mix, found " + name);
    };
  }

  /**
   * Mix-and-match (He et al., 2022): a prefix of 30 tokens, made by a network, and beside each
   * feed-forward network a parallel bottleneck of half the width, scaled by 4.
   */
  public static Map<String, AdapterConfig> mam(String taskType) {
    Map<String, AdapterConfig> parts = new LinkedHashMap<>();
    parts.put(
        "prefix",
        MethodConfig.of("PREFIX_TUNING")
            .with("num_virtual_tokens", 30)
            .with("prefix_projection", true));
    parts.put("bottleneck", BottleneckPresets.named("parallel").with("task_type", taskType));
    return parts;
  }

  /**
   * UniPELT (Mao et al., 2022): LoRA of rank 8 on queries and values, a prefix of 10 tokens, and a
   * bottleneck after each feed-forward network, each gated by what it reads. All three are in the
   * adapters library's files, which has them together as a {@code Stack}.
   */
  public static Map<String, AdapterConfig> unipelt(String taskType) {
    Map<String, AdapterConfig> parts = new LinkedHashMap<>();
    parts.put("lora", MethodConfig.of("GATED_LORA"));
    parts.put("prefix", MethodConfig.of("GATED_PREFIX").with("prefix_length", 10));
    parts.put(
        "bottleneck",
        BottleneckPresets.named("pfeiffer").with("use_gating", true).with("task_type", taskType));
    return parts;
  }
}
