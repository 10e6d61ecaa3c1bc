package io.peft4j.text;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.peft4j.data.Example;
import io.peft4j.torch.Natives;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;

/** Hugging Face's own tokenizers, behind JNI. Owns native memory until {@link #close}. */
final class NativeTokenizer implements AutoCloseable {

  private final Path file;
  private final int vocabularySize;
  private final HuggingFaceTokenizer tokenizer;
  private final ReadWriteLock uses = new ReentrantReadWriteLock();
  private final TextLimits limits;
  private boolean closed;

  private NativeTokenizer(
      Path file, int vocabularySize, HuggingFaceTokenizer tokenizer, TextLimits limits) {
    this.limits = limits;
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
    Path file = definition.file();
    TokenizerCheck.Checked checked = TokenizerCheck.check(file, definition.json());
    byte[] json = checked.json().toString().getBytes(StandardCharsets.UTF_8);
    try (ByteArrayInputStream in = new ByteArrayInputStream(json)) {
      return new NativeTokenizer(
          file, vocabularySize, HuggingFaceTokenizer.newInstance(in, options), checked.limits());
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(file + ": not a tokenizer: " + e.getMessage(), e);
    }
  }

  /**
   * @param special whether special tokens are put around
   */
  Encoding encode(String text, boolean special) {
    limits.check(text);
    return told(() -> tokenizer.encode(text, special, false));
  }

  /**
   * @param textPair the second text, or null
   */
  Encoding encode(String text, String textPair) {
    limits.check(text);
    if (textPair == null) {
      return told(() -> tokenizer.encode(text));
    }
    limits.check(textPair);
    return told(() -> tokenizer.encode(text, textPair));
  }

  /** On all processors. The library's own call for many ends the process where one fails. */
  List<Encoding> encodeAll(List<Example> examples) {
    return examples.parallelStream()
        .map(example -> encode(example.text(), example.textPair()))
        .toList();
  }

  String decode(int[] ids, boolean skipSpecialTokens) {
    long[] wide = Arrays.stream(ids).asLongStream().toArray();
    return told(() -> tokenizer.decode(wide, skipSpecialTokens));
  }

  /** What the library refuses, such as a word that no token stands for. */
  private <T> T told(Supplier<T> call) {
    uses.readLock().lock();
    try {
      if (closed) {
        throw new IllegalStateException(file + ": the tokenizer is closed");
      }
      return call.get();
    } catch (IllegalStateException e) {
      throw e;
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
    } finally {
      uses.readLock().unlock();
    }
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

  /**
   * Frees it.
   *
   * @throws IllegalStateException if another thread is using it; nothing is then closed
   */
  @Override
  public void close() {
    if (!uses.writeLock().tryLock()) {
      throw new IllegalStateException(
          file + ": cannot close the tokenizer: another thread is using it");
    }
    try {
      closed = true;
      tokenizer.close();
    } finally {
      uses.writeLock().unlock();
    }
  }
}
