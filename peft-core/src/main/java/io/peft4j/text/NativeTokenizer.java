package io.peft4j.text;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.util.PairList;
import io.peft4j.torch.Natives;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Hugging Face's own tokenizers, behind JNI. Owns native memory until {@link #close}. */
final class NativeTokenizer implements AutoCloseable {

  private final Path file;
  private final int vocabularySize;
  private final HuggingFaceTokenizer tokenizer;

  private NativeTokenizer(Path file, int vocabularySize, HuggingFaceTokenizer tokenizer) {
    this.file = file;
    this.vocabularySize = vocabularySize;
    this.tokenizer = tokenizer;
  }

  /**
   * @param vocabularySize how many token numbers the model knows
   * @throws IllegalArgumentException if it is no tokenizer
   */
  static NativeTokenizer open(TokenizerDefinition definition, int vocabularySize)
      throws IOException {
    Map<String, String> options = Map.of("padding", "false", "truncation", "false");
    Natives.loadTokenizers();
    byte[] json = definition.json().toString().getBytes(StandardCharsets.UTF_8);
    Path file = definition.file();
    try (ByteArrayInputStream in = new ByteArrayInputStream(json)) {
      return new NativeTokenizer(
          file, vocabularySize, HuggingFaceTokenizer.newInstance(in, options));
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(file + ": not a tokenizer: " + e.getMessage(), e);
    }
  }

  /**
   * @param special whether special tokens are put around
   */
  Encoding encode(String text, boolean special) {
    return tokenizer.encode(text, special, false);
  }

  /**
   * @param textPair the second text, or null
   */
  Encoding encode(String text, String textPair) {
    return textPair == null ? tokenizer.encode(text) : tokenizer.encode(text, textPair);
  }

  Encoding[] encodeAll(List<String> texts) {
    return tokenizer.batchEncode(texts);
  }

  Encoding[] encodeAll(PairList<String, String> texts) {
    return tokenizer.batchEncode(texts);
  }

  String decode(int[] ids, boolean skipSpecialTokens) {
    return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), skipSpecialTokens);
  }

  /**
   * {@return an encoding's token numbers}
   *
   * @throws IllegalArgumentException if the model does not know one
   */
  int[] ids(Encoding encoding) {
    long[] wide = encoding.getIds();
    int[] ids = new int[wide.length];
    for (int i = 0; i < ids.length; i++) {
      if (wide[i] >= vocabularySize) {
        throw new IllegalArgumentException(
            file
                + ": token '"
                + encoding.getTokens()[i]
                + "' has the number "
                + wide[i]
                + "; expected one below the model's vocab_size "
                + vocabularySize
                + ": the tokenizer is another model's");
      }
      ids[i] = (int) wide[i];
    }
    return ids;
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
