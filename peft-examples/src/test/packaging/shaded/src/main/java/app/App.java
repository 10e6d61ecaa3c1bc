package app;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.LoraConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Loads a model and its tokenizer, adds an adapter, saves it and loads it again. */
public final class App {

  private App() {}

  /** Arguments: a model's folder, and one to write. */
  public static void main(String[] arguments) {
    // a thread of the common pool does not know the class loader of a Spring Boot jar
    System.out.println(
        CompletableFuture.supplyAsync(() -> run(Path.of(arguments[0]), Path.of(arguments[1])))
            .join());
  }

  static String run(Path folder, Path output) {
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model());
        CausalTokenizer tokenizer = CausalTokenizer.of(folder, lm.model())) {
      adapted.add("mine", LoraConfig.builder().r(2).taskType("CAUSAL_LM").build(), 42);
      adapted.save("mine", output, Map.of());
      adapted.load("again", output);
      float[] found = lm.logProbs(List.of(lm.sequence(new int[] {5, 9, 13, 4})))[0];
      return "works: " + found.length + " numbers, the first " + found[0];
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
