package io.peft4j.examples.cli;

import io.peft4j.model.CausalLm;
import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.nio.file.Path;

/** A language model's tokenizer, opened when the first text comes: tokens need none. */
final class LazyTokenizer implements AutoCloseable {

  private final Path folder;
  private final CausalLm lm;
  private CausalTokenizer tokenizer;

  LazyTokenizer(Path folder, CausalLm lm) {
    this.folder = folder;
    this.lm = lm;
  }

  /** {@return how many tokens the model knows} */
  int vocabulary() {
    return lm.model().config().json().path("vocab_size").asInt();
  }

  CausalTokenizer get() throws IOException {
    if (tokenizer == null) {
      tokenizer = CausalTokenizer.of(folder, lm.model());
    }
    return tokenizer;
  }

  @Override
  public void close() {
    if (tokenizer != null) {
      tokenizer.close();
    }
  }
}
