package io.peft4j.quant.soak;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.compose.MixedAdapters;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/**
 * A model that all threads use, with some adapters, and every answer that is right: those of the
 * base, of each adapter, and of one that is merged, to the bit.
 */
final class SharedModel implements AutoCloseable {

  static final int CASES = 8;

  /** Two LoRAs, and a prompt, which changes how examples are laid out. */
  static final List<String> NAMES = List.of("a", "b", "p");

  final String name;
  final Path folder;
  final LoadOptions options;
  final Model model;
  final CausalLm lm;
  final AdaptedModel adapted;
  final List<String> ofBase = new ArrayList<>();
  private final List<Set<String>> answers = new ArrayList<>();
  private final List<Set<String>> texts = new ArrayList<>();
  private final String mixed;

  private SharedModel(String name, Path folder, LoadOptions options, boolean causal)
      throws IOException {
    this.name = name;
    this.folder = folder;
    this.options = options;
    this.lm = causal ? CausalLm.load(folder, options) : null;
    this.model = causal ? lm.model() : Model.load(folder, options);
    this.adapted = new AdaptedModel(model);
    for (int i = 0; i < CASES; i++) {
      ofBase.add(answer(model, lm, i));
      answers.add(new HashSet<>());
      texts.add(new HashSet<>());
    }
    // not zero, as a new LoRA is
    LoraConfig random = LoraConfig.builder().r(4).init(LoraInit.RANDOM).build();
    adapted.add("a", random, 1);
    adapted.add("b", random, 2);
    adapted.add("p", MethodConfig.of("PROMPT_TUNING").with("num_virtual_tokens", 3), 3);
    mixed = lm == null ? mix(0) : null;
    rest();
    learn();
    for (String adapter : NAMES) {
      adapted.activate(adapter);
      learn();
    }
    adapted.merge("a");
    learn();
    rest();
    for (Set<String> right : answers) {
      if (right.size() < 4) {
        throw new AssertionError(name + ": the adapters should make a difference: " + right);
      }
    }
  }

  static SharedModel classifier(String name, Path folder, LoadOptions options) throws IOException {
    return new SharedModel(name, folder, options, false);
  }

  static SharedModel causal(String name, Path folder, LoadOptions options) throws IOException {
    return new SharedModel(name, folder, options, true);
  }

  private void learn() {
    for (int i = 0; i < CASES; i++) {
      answers.get(i).add(answer(model, lm, i));
      if (lm != null) {
        texts.get(i).add(generate(i));
      }
    }
  }

  static int[] ids(Model model, int i) {
    return new Random(i).ints(5 + i * 2, 4, Math.min(60, model.vocabularySize())).toArray();
  }

  /** A classifier's logits, or a language model's log-probabilities. */
  static String answer(Model model, CausalLm lm, int i) {
    if (lm != null) {
      return Arrays.toString(lm.logProbs(List.of(lm.sequence(ids(model, i))))[0]);
    }
    try (TokenBatch batch = model.batch(List.of(model.sequence(ids(model, i), null)))) {
      return Arrays.deepToString(model.logits(batch));
    }
  }

  private String generate(int i) {
    return Arrays.toString(
        new Generator(lm)
            .generate(
                List.of(ids(model, i)),
                GenerationConfig.greedy().withMaxNewTokens(6),
                (row, token, text) -> {})
            .get(0)
            .tokens());
  }

  private String mix(int i) {
    try (MixedAdapters together = new MixedAdapters(adapted, NAMES)) {
      return Arrays.deepToString(
          together.logits(
              List.of(
                  model.sequence(ids(model, i), null),
                  model.sequence(ids(model, i + 1), null),
                  model.sequence(ids(model, i + 2), null),
                  model.sequence(ids(model, i + 3), null)),
              List.of("b", MixedAdapters.BASE, "a", "p")));
    }
  }

  void checkAnswer(int i) {
    check(answers.get(i), answer(model, lm, i));
  }

  void checkText(int i) {
    check(texts.get(i), generate(i));
  }

  void checkMixed() {
    check(Set.of(mixed), mix(0));
  }

  private void check(Set<String> right, String found) {
    if (!right.contains(found)) {
      throw new AssertionError(name + ": wrong answer " + found + ", right are " + right);
    }
  }

  /** The bare base again; nobody else is using it. */
  void rest() {
    try {
      adapted.unmerge();
    } catch (IllegalStateException e) {
      if (!e.getMessage().equals("nothing is merged")) {
        throw e;
      }
    }
    adapted.activate();
  }

  @Override
  public void close() {
    adapted.close();
    model.close();
  }
}
