package io.peft4j.fuzz;

import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterHead;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Mutated adapters of every method, and mixes: loads them on their models, runs these, and looks
 * whether an adapter that is refused or removed leaves the model as it was.
 */
public final class AdapterFuzz implements FuzzKind {

  private static final List<String> MIXES =
      List.of("stack-bert", "stack-llama", "average-bert", "unipelt-bert");
  private static final int[] TOKENS = {2, 25, 30, 3};

  /** A model that stays loaded, and what it gives without adapters. */
  private record Base(Path folder, AdaptedModel adapted, float[][] outputs) {}

  private final Map<String, Base> models = new LinkedHashMap<>();
  private final List<Map<String, byte[]>> adapters = new ArrayList<>();
  private final List<Base> bases = new ArrayList<>();
  private Base base;

  public AdapterFuzz() throws IOException {
    for (String family : List.of("lora", "methods")) {
      for (String name : Golden.folders(family, "")) {
        if (!name.startsWith("pair-")) {
          Map<String, byte[]> files = Mutator.files(Golden.path(family + "/" + name));
          files
              .keySet()
              .removeIf(file -> !file.matches("(adapter|prompt|prefix|pytorch|head)_?.*"));
          add(family + "/" + name, files);
        }
      }
    }
    for (String name : MIXES) {
      Map<String, byte[]> files = Mutator.files(Golden.path("compositions/" + name));
      files.keySet().removeIf(file -> !file.contains("/"));
      String names =
          String.join(
              "\", \"", files.keySet().stream().map(f -> f.split("/")[0]).distinct().toList());
      files.put(
          AdapterMix.FILE,
          ("{\"adapters\": [\"" + names + "\"]}").getBytes(StandardCharsets.UTF_8));
      add("compositions/" + name, files);
    }
  }

  private void add(String name, Map<String, byte[]> files) throws IOException {
    String model = Golden.json(name + "/golden.json").get("base").asText();
    if (!models.containsKey(model)) {
      models.put(model, open(Golden.path(model)));
    }
    base = models.get(model);
    Path folder = Files.createTempDirectory("fuzz");
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      Files.createDirectories(folder.resolve(file.getKey()).getParent());
      Files.write(folder.resolve(file.getKey()), file.getValue());
    }
    try {
      use(folder);
    } catch (IOException | RuntimeException e) {
      throw new IllegalStateException(name, e);
    }
    adapters.add(files);
    bases.add(base);
  }

  private static Base open(Path folder) throws IOException {
    boolean classifier = folder.getParent().endsWith("encoders");
    AdaptedModel adapted =
        new AdaptedModel(
            classifier
                ? Model.load(folder, LoadOptions.DEFAULT)
                : CausalLm.load(folder, LoadOptions.DEFAULT).model());
    return new Base(folder, adapted, run(adapted.model()));
  }

  private static float[][] run(Model model) {
    boolean classifier = model.head().task().isPresent();
    TokenSequence sequence = model.sequence(TOKENS, null);
    try (TokenBatch batch =
        model.batch(List.of(classifier ? sequence : sequence.withLabels(TOKENS)))) {
      return classifier ? model.logits(batch) : new float[][] {model.logProbs(batch)};
    }
  }

  @Override
  public Map<String, byte[]> mutant(Random random) throws IOException {
    boolean mix = random.nextInt(5) == 0;
    int which =
        mix ? adapters.size() - 1 - random.nextInt(MIXES.size()) : random.nextInt(adapters.size());
    base = bases.get(which);
    return new Mutator(random).folder(adapters.get(which), adapters);
  }

  @Override
  public void use(Path folder) throws IOException {
    try {
      if (base.adapted.model().head().task().isPresent()) {
        AdapterHead.of(base.folder, folder, LoadOptions.DEFAULT);
      }
      AdapterMix mix = AdapterMix.load(base.adapted, folder);
      run(base.adapted.model());
      List<String> names = new ArrayList<>(mix.adapters().keySet());
      Collections.reverse(names);
      names.forEach(base.adapted::delete);
    } finally {
      if (!base.adapted.adapters().isEmpty()
          || !Arrays.deepEquals(base.outputs, run(base.adapted.model()))) {
        throw new AssertionError("the model is not as it was: " + base.adapted.adapters().keySet());
      }
    }
  }
}
