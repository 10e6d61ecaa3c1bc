package io.peft4j.generate;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/** A model folder's {@code tokenizer.json}, which neither pads nor truncates here. */
public final class HuggingFaceCodec implements Codec, AutoCloseable {

  private final HuggingFaceTokenizer tokenizer;

  private HuggingFaceCodec(HuggingFaceTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /**
   * @throws IOException if {@code tokenizer.json} in {@code folder} is missing or broken
   */
  public static HuggingFaceCodec load(Path folder) throws IOException {
    Path file = folder.resolve("tokenizer.json");
    if (!Files.exists(file)) {
      throw new NoSuchFileException(
          file.toString(), null, "generating text needs a tokenizer.json; found none");
    }
    try {
      return new HuggingFaceCodec(
          HuggingFaceTokenizer.newInstance(
              file, Map.of("padding", "false", "truncation", "false")));
    } catch (RuntimeException e) {
      throw new IOException(file + ": not a tokenizer: " + e.getMessage(), e);
    }
  }

  @Override
  public int[] encode(String text) {
    return Arrays.stream(tokenizer.encode(text).getIds()).mapToInt(Math::toIntExact).toArray();
  }

  @Override
  public String decode(int[] tokens) {
    return tokenizer.decode(Arrays.stream(tokens).asLongStream().toArray(), true);
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
