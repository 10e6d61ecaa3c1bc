package io.peft4j.cli;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.model.Model;
import io.peft4j.text.TokenizerFolders;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Which adapter to run a model with. */
@Heading("Model")
final class AdapterOption {

  @Option(
      names = "--adapter",
      paramLabel = "DIR",
      description = "Adapter folder; none for the base.")
  private Path adapter;

  /** {@return the adapter's folder, or null for the bare model} */
  Path folder() {
    return adapter;
  }

  /** {@return where the tokenizer of {@code base} with the adapter lies} */
  TokenizerFolders tokenizer(Path base) throws IOException {
    return TokenizerFolders.of(base, adapter);
  }

  /** Puts the adapter, if any, on {@code model} and makes it active. */
  AdaptedModel adapt(Model model) throws IOException {
    AdaptedModel adapted = new AdaptedModel(model);
    if (adapter != null) {
      try {
        AdapterMix.load(adapted, adapter);
      } catch (IOException | RuntimeException e) {
        adapted.close();
        throw e;
      }
    }
    return adapted;
  }
}
