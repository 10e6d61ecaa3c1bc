package io.peft4j.text;

import ai.djl.huggingface.tokenizers.Encoding;
import io.peft4j.data.Example;
import io.peft4j.model.Model;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.IntStream;

/**
 * The tokenizer of a model folder, as transformers has it, through Hugging Face's own library:
 * {@code tokenizer.json}, or a vocabulary alone ({@code vocab.txt} of BERT, {@code vocab.json} with
 * {@code merges.txt}), with what stands beside it laid over it. Special tokens are added, texts are
 * cut to a length (a pair: the longer of the two first), nothing is padded; what the file itself
 * says of padding and truncation is not used.
 *
 * <p>Thread-safe. Owns native memory until {@link #close}.
 */
public final class TextTokenizer implements AutoCloseable {

  private static final int CHUNK = 1024;
  private static final int CHARACTERS = 1 << 20;

  private final Path file;
  private final NativeTokenizer tokenizer;

  private final int maxLength;
  private final int pairOverhead;
  private final boolean left;
  private final boolean types;

  /** Encoding holds the read lock, so that nobody frees the tokenizer under it. */
  private final ReadWriteLock lock = new ReentrantReadWriteLock();

  private TextTokenizer(
      TokenizerDefinition definition, NativeTokenizer tokenizer, int maxLength, int pairOverhead) {
    this.file = definition.file();
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.pairOverhead = pairOverhead;
    this.left = definition.config().truncatesLeft();
    this.types = definition.config().givesTypes();
  }

  /**
   * Opens the tokenizer that goes with {@code model}, cutting at the longest sequence it takes, or
   * at the tokenizer's {@code model_max_length} if that is less.
   *
   * @param folder with {@code tokenizer.json} or a vocabulary
   * @throws IOException if neither is there, or the file cannot be read
   * @throws IllegalArgumentException if the file is no tokenizer
   */
  public static TextTokenizer of(Path folder, Model model) throws IOException {
    return of(TokenizerFolders.of(folder), model);
  }

  /** As {@link #of(Path, Model)}, for a model with an adapter, which may have its own tokenizer. */
  public static TextTokenizer of(TokenizerFolders folders, Model model) throws IOException {
    TokenizerDefinition definition =
        TokenizerDefinition.read(folders.vocabulary(), folders.model());
    int maxLength =
        Math.min(model.maxLength(), definition.config().modelMaxLength().orElse(Integer.MAX_VALUE));
    return open(definition, maxLength, model.vocabularySize());
  }

  /**
   * Opens a tokenizer.
   *
   * @param folder with {@code tokenizer.json} or a vocabulary
   * @param maxLength the most tokens an example may have, special tokens included
   * @param vocabularySize how many token numbers the model knows; a text that needs a greater one
   *     is refused when it is encoded
   * @throws IOException if neither file is there, or it cannot be read
   * @throws IllegalArgumentException if the file is no tokenizer, or {@code maxLength} leaves no
   *     room for text
   */
  public static TextTokenizer load(Path folder, int maxLength, int vocabularySize)
      throws IOException {
    return load(TokenizerFolders.of(folder), maxLength, vocabularySize);
  }

  /** As {@link #load(Path, int, int)}, of a model with an adapter, which may have its own. */
  public static TextTokenizer load(TokenizerFolders folders, int maxLength, int vocabularySize)
      throws IOException {
    TokenizerDefinition definition =
        TokenizerDefinition.read(folders.vocabulary(), folders.model());
    return open(definition, maxLength, vocabularySize);
  }

  private static TextTokenizer open(
      TokenizerDefinition definition, int maxLength, int vocabularySize) throws IOException {
    NativeTokenizer tokenizer = NativeTokenizer.open(definition, vocabularySize);
    try {
      int overhead = tokenizer.encode("", null).getIds().length;
      int pairOverhead = tokenizer.encode("", "").getIds().length;
      if (maxLength <= overhead) {
        throw tooShort(definition.file(), maxLength, overhead);
      }
      return new TextTokenizer(definition, tokenizer, maxLength, pairOverhead);
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  private static IllegalArgumentException tooShort(Path file, int maxLength, int overhead) {
    return new IllegalArgumentException(
        file
            + ": expected a maximum length above its "
            + overhead
            + " special tokens, found "
            + maxLength);
  }

  /** {@return the most tokens an example may have} */
  public int maxLength() {
    return maxLength;
  }

  /**
   * Encodes one text.
   *
   * @throws IllegalArgumentException if it has a token that the model does not know
   * @throws IllegalStateException if this is closed
   */
  public Tokens encode(String text) {
    return encode(text, null);
  }

  /**
   * Encodes a text, or a pair of texts.
   *
   * @param textPair the second text, or null
   * @throws IllegalArgumentException if it has a token that the model does not know, or a pair's
   *     special tokens leave no room for text
   * @throws IllegalStateException if this is closed
   */
  public Tokens encode(String text, String textPair) {
    return encodeAll(List.of(new Example(text, textPair, null, 1))).get(0);
  }

  /**
   * Encodes many texts or pairs, in their order, on all processors.
   *
   * @throws IllegalArgumentException if one has a token that the model does not know, or a pair's
   *     special tokens leave no room for text
   * @throws IllegalStateException if this is closed
   */
  public List<Tokens> encodeAll(List<Example> examples) {
    boolean pairs = examples.stream().anyMatch(example -> example.textPair() != null);
    if (pairs && maxLength <= pairOverhead) {
      throw tooShort(file, maxLength, pairOverhead);
    }
    List<Tokens> all = new ArrayList<>(examples.size());
    lock.readLock().lock();
    try {
      for (List<Example> chunk : chunks(examples)) {
        tokenizer.encodeAll(chunk).forEach(encoding -> all.add(cut(encoding)));
      }
    } finally {
      lock.readLock().unlock();
    }
    return List.copyOf(all);
  }

  /** The library gives offsets and strings as well: this bounds what of them lives at a time. */
  private static List<List<Example>> chunks(List<Example> examples) {
    List<List<Example>> chunks = new ArrayList<>();
    int from = 0;
    long characters = 0;
    for (int at = 0; at < examples.size(); at++) {
      Example example = examples.get(at);
      String pair = example.textPair();
      characters += example.text().length() + (pair == null ? 0 : pair.length());
      if (at + 1 == examples.size() || at + 1 - from == CHUNK || characters > CHARACTERS) {
        chunks.add(examples.subList(from, at + 1));
        from = at + 1;
        characters = 0;
      }
    }
    return chunks;
  }

  private Tokens cut(Encoding encoding) {
    int[] ids = tokenizer.ids(encoding);
    int[] types = types(encoding);
    if (ids.length <= maxLength) {
      return new Tokens(ids, types, 0);
    }
    boolean[] kept = Cut.kept(encoding, maxLength, left);
    int[] places = IntStream.range(0, ids.length).filter(i -> kept[i]).toArray();
    return new Tokens(
        Arrays.stream(places).map(i -> ids[i]).toArray(),
        Arrays.stream(places).map(i -> types[i]).toArray(),
        ids.length - places.length);
  }

  private int[] types(Encoding encoding) {
    long[] wide = encoding.getTypeIds();
    int[] narrow = new int[wide.length];
    for (int i = 0; types && i < wide.length; i++) {
      narrow[i] = (int) wide[i];
    }
    return narrow;
  }

  /** Frees the tokenizer, once nobody is encoding. A second call does nothing. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      tokenizer.close();
    } finally {
      lock.writeLock().unlock();
    }
  }
}
