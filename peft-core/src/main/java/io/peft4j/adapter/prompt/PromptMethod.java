package io.peft4j.adapter.prompt;

import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What the configs and files of prefix tuning, prompt tuning and P-tuning have in common. */
abstract class PromptMethod extends DocumentMethod {

  private static final String COMMON =
      """
      {"num_virtual_tokens": null, "token_dim": null, "num_transformer_submodules": null,
       "num_attention_heads": null, "num_layers": null, "modules_to_save": null,\s""";

  /**
   * @param defaults keys that others of the kind lack, with their values in a new config, as JSON
   *     without braces
   */
  PromptMethod(String peftType, String defaults) {
    super(peftType, COMMON + defaults + "}");
  }

  /** peft's names: the prompt has no prefix, a saved module a shorter one. */
  @Override
  public final String onDisk(String key) {
    return key.equals(VirtualPrompt.KEY) ? key : "base_model." + key;
  }

  @Override
  protected void check(MethodConfig config) {
    config.atLeast("num_virtual_tokens", 1);
  }

  /** {@return {@code config} with the sizes of {@code model}, where it leaves them open} */
  static MethodConfig sized(MethodConfig config, Model model, int width, int heads) {
    MethodConfig settled = config;
    Map<String, Object> sizes = new LinkedHashMap<>();
    sizes.put("token_dim", width);
    sizes.put("num_attention_heads", heads);
    sizes.put("num_layers", model.sites().size());
    sizes.put("num_transformer_submodules", 1);
    for (Map.Entry<String, Object> size : sizes.entrySet()) {
      if (config.get(size.getKey()) == null) {
        settled = settled.with(size.getKey(), size.getValue());
      } else if (config.integer(size.getKey()) != (Integer) size.getValue()) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "'%s': expected %s, for this model, found %s",
                size.getKey(),
                size.getValue(),
                config.get(size.getKey())));
      }
    }
    return settled;
  }
}
