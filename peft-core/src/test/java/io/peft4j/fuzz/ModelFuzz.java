package io.peft4j.fuzz;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.peft4j.Golden;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;

/** Model folders of which some files are mutated: loads them and runs them. */
public abstract class ModelFuzz implements FuzzKind {

  private static final List<String> CLASSIFIERS =
      List.of("encoders/bert", "encoders/roberta", "encoders/distilbert", "decoders/cls-llama");

  private static final String GENERATION =
      "{\"max_new_tokens\": 3, \"min_new_tokens\": 1, \"eos_token_id\": [2, 7], \"do_sample\": true,"
          + " \"temperature\": 0.7, \"top_k\": 9, \"top_p\": 0.9, \"min_p\": 0.1, \"typical_p\": 0.9,"
          + " \"epsilon_cutoff\": 0.001, \"eta_cutoff\": 0.001, \"num_return_sequences\": 2,"
          + " \"repetition_penalty\": 1.2, \"encoder_repetition_penalty\": 1.1,"
          + " \"no_repeat_ngram_size\": 2, \"bad_words_ids\": [[5], [6, 7]], \"guidance_scale\": 1.5,"
          + " \"sequence_bias\": [[[5, 6], -1.5]], \"suppress_tokens\": [8], \"forced_eos_token_id\": 2,"
          + " \"begin_suppress_tokens\": [9], \"exponential_decay_length_penalty\": [1, 1.1],"
          + " \"max_time\": 2.5, \"renormalize_logits\": true, \"pad_token_id\": 0}";

  /** The files of each model, the mutable ones apart. */
  private record Base(boolean classifier, Map<String, byte[]> fixed, Map<String, byte[]> mutable) {}

  private final List<Base> bases = new ArrayList<>();
  private final List<Map<String, byte[]>> mutable = new ArrayList<>();
  private boolean classifier;

  /**
   * @param mutable which files are mutated
   */
  ModelFuzz(List<String> decoders, Predicate<String> mutable) throws IOException {
    for (String name : CLASSIFIERS) {
      add(name, true, mutable);
    }
    for (String name : decoders) {
      add("decoders/" + name, false, mutable);
    }
  }

  private void add(String name, boolean head, Predicate<String> isMutable) throws IOException {
    Map<String, byte[]> files = Mutator.files(Golden.path(name));
    files.keySet().removeIf(file -> file.startsWith("golden"));
    if (!head) {
      files.put("generation_config.json", GENERATION.getBytes(StandardCharsets.UTF_8));
    }
    Base base = new Base(head, new LinkedHashMap<>(files), new LinkedHashMap<>(files));
    base.fixed.keySet().removeIf(isMutable);
    base.mutable.keySet().removeIf(isMutable.negate());
    bases.add(base);
    mutable.add(base.mutable);
    Path folder = Files.createTempDirectory("fuzz");
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      Files.write(folder.resolve(file.getKey()), file.getValue());
    }
    classifier = head;
    use(folder);
  }

  @Override
  public Map<String, byte[]> mutant(Random random) throws IOException {
    int which = random.nextInt(bases.size());
    Base base = bases.get(which);
    classifier = base.classifier;
    Map<String, byte[]> files = new LinkedHashMap<>(base.fixed);
    files.putAll(new Mutator(random).folder(base.mutable, mutable));
    return files;
  }

  @Override
  public void use(Path folder) throws IOException {
    if (classifier) {
      try (Model model = Model.load(folder, LoadOptions.DEFAULT)) {
        model.checkFinite();
        int[] tokens = tokens(model);
        try (TokenBatch batch = model.batch(List.of(model.sequence(tokens, null)))) {
          model.logits(batch);
        }
      }
      return;
    }
    GenerationConfig config =
        GenerationConfig.of(folder, JsonNodeFactory.instance.objectNode().put("max_new_tokens", 3));
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      int[] tokens = tokens(lm.model());
      lm.logProbs(List.of(lm.sequence(tokens)));
      try {
        new Generator(lm).generate(List.of(tokens), config, (prompt, token, text) -> {});
      } catch (IllegalArgumentException e) {
        // a config that asks for tokens which the model does not have, or for texts
      }
    }
  }

  /** Configs may leave room for few. */
  private static int[] tokens(Model model) {
    return Arrays.copyOf(new int[] {2, 25, 3}, Math.min(3, model.maxLength()));
  }

  /** Mutated {@code config.json} and {@code generation_config.json}. */
  public static final class Configs extends ModelFuzz {
    public Configs() throws IOException {
      super(
          List.of(
              "llama",
              "llama3",
              "llama-linear",
              "gpt2",
              "gpt2-scaled",
              "gemma2",
              "mistral",
              "qwen2",
              "qwen3",
              "phi3",
              "gpt-neox",
              "gpt-neox-serial"),
          name -> name.endsWith("config.json"));
    }
  }

  /** Mutated tensors, shards and indices. */
  public static final class Checkpoints extends ModelFuzz {
    public Checkpoints() throws IOException {
      super(
          List.of("llama-bf16", "llama-fp16", "llama-sharded", "llama-sharded", "gpt2"),
          name -> !name.endsWith("config.json"));
    }
  }
}
