package io.peft4j.adapter.prompt;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.torch.Ops;
import java.util.List;

/**
 * Prompt tuning (Lester et al., 2021): trained vectors before the vectors of the text. They start
 * as noise, as those of random words, or as those of a text.
 *
 * <p>On disk {@code prompt_embeddings} [tokens, hidden].
 */
public final class PromptTuningMethod extends PromptMethod {

  private static final ConfigKeys KEYS =
      ConfigKeys.of("prompt tuning")
          .idle("tokenizer_name_or_path", "a text is told apart by the base's own tokenizer");

  public PromptTuningMethod() {
    super(
        "PROMPT_TUNING",
        """
        "prompt_tuning_init": "RANDOM", "prompt_tuning_init_text": null,
         "tokenizer_name_or_path": null, "tokenizer_kwargs": null""");
  }

  @Override
  public ConfigKeys keys() {
    return KEYS;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("num_virtual_tokens");
  }

  @Override
  protected void check(MethodConfig config) {
    super.check(config);
    String init = config.text("prompt_tuning_init");
    if (init == null || !init.matches("RANDOM|SAMPLE_VOCAB|TEXT")) {
      throw new IllegalArgumentException(
          "'prompt_tuning_init': expected RANDOM, SAMPLE_VOCAB or TEXT, found " + init);
    }
    if (init.equals("TEXT") && config.text("prompt_tuning_init_text") == null) {
      throw new IllegalArgumentException(
          "prompt_tuning_init TEXT needs a 'prompt_tuning_init_text'");
    }
  }

  @Override
  protected MethodConfig complete(MethodConfig config, Model model) {
    return sized(config, model, model.sizes().hidden(), model.sizes().heads());
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    int length = config.integer("num_virtual_tokens");
    long hidden = builder.model().sizes().hidden();
    var random = builder.random(VirtualPrompt.KEY);
    String init = builder.forInference(config) ? "RANDOM" : config.text("prompt_tuning_init");
    builder.expect(VirtualPrompt.KEY, length, hidden);
    if (init.equals("TEXT") && config.get("tokenizer_kwargs") != null) {
      throw new IllegalArgumentException(
          "'tokenizer_kwargs': expected null, since the base's own tokenizer is used, found "
              + config.get("tokenizer_kwargs"));
    }
    NDArray prompt;
    if (init.equals("RANDOM")) {
      prompt = builder.drawn(VirtualPrompt.KEY, random::nextGaussian, length, hidden);
    } else {
      long[] words =
          init.equals("TEXT")
              ? repeated(builder.tokenize(config.text("prompt_tuning_init_text")), length)
              : random.longs(length, 0, builder.model().words().weight().shape().get(0)).toArray();
      prompt = builder.trained(VirtualPrompt.KEY, rows(builder, words));
    }
    VirtualPrompt.add(builder, length, prompt, (like, pass) -> prompt, 0);
  }

  /**
   * {@return {@code length} numbers of {@code ids}, again from the start where they are too few}
   */
  private static long[] repeated(int[] ids, int length) {
    if (ids.length == 0) {
      throw new IllegalArgumentException("'prompt_tuning_init_text' has no tokens");
    }
    long[] all = new long[length];
    for (int i = 0; i < length; i++) {
      all[i] = ids[i % ids.length];
    }
    return all;
  }

  private static NDArray rows(AdapterBuilder builder, long[] words) {
    try (NDArray index = builder.manager().create(words);
        NDArray picked = Ops.embedding(index, builder.model().words().weight().value());
        NDArray wide = Ops.toFloat32(picked)) {
      return wide.duplicate();
    }
  }
}
