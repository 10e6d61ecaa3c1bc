package io.peft4j.text;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.util.PairList;
import io.peft4j.data.Example;
import io.peft4j.model.Model;
import io.peft4j.torch.Natives;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * The tokenizer of a model folder: {@code tokenizer.json} through Hugging Face's own library, or
 * BERT's WordPiece where the folder has {@code vocab.txt} only. Special tokens are added, texts are
 * cut to a length (a pair: the longer of the two first), nothing is padded; what the file itself
 * says of padding and truncation is not used.
 *
 * <p>Thread-safe. Owns native memory until {@link #close}.
 */
public final class TextTokenizer implements AutoCloseable {

  private static final String JSON = "tokenizer.json";
  private static final String VOCABULARY = "vocab.txt";

  /** The library returns offsets and strings as well; this bounds what of them lives at a time. */
  private static final int CHUNK = 1024;

  private final Path file;
  private final HuggingFaceTokenizer tokenizer;

  /** Without truncation: says how much of a text was cut. */
  private final HuggingFaceTokenizer whole;

  private final int maxLength;
  private final int vocabularySize;
  private final int pairOverhead;

  /** Encoding holds the read lock, so that nobody frees the tokenizer under it. */
  private final ReadWriteLock lock = new ReentrantReadWriteLock();

  private TextTokenizer(
      Path file,
      HuggingFaceTokenizer tokenizer,
      HuggingFaceTokenizer whole,
      int maxLength,
      int vocabularySize,
      int pairOverhead) {
    this.file = file;
    this.tokenizer = tokenizer;
    this.whole = whole;
    this.maxLength = maxLength;
    this.vocabularySize = vocabularySize;
    this.pairOverhead = pairOverhead;
  }

  /**
   * Opens the tokenizer that goes with {@code model}, cutting at the longest sequence it takes.
   *
   * @param folder with {@code tokenizer.json} or {@code vocab.txt}
   * @throws IOException if neither is there, or the file cannot be read
   * @throws IllegalArgumentException if the file is no tokenizer
   */
  public static TextTokenizer of(Path folder, Model model) throws IOException {
    return load(folder, model.maxLength(), model.vocabularySize());
  }

  /**
   * Opens a tokenizer.
   *
   * @param folder with {@code tokenizer.json} or {@code vocab.txt}
   * @param maxLength the most tokens an example may have, special tokens included
   * @param vocabularySize how many token numbers the model knows; a text that needs a greater one
   *     is refused when it is encoded
   * @throws IOException if neither file is there, or it cannot be read
   * @throws IllegalArgumentException if the file is no tokenizer, or {@code maxLength} leaves no
   *     room for text
   */
  public static TextTokenizer load(Path folder, int maxLength, int vocabularySize)
      throws IOException {
    Path file = folder.resolve(JSON);
    String json;
    if (Files.exists(file)) {
      json = Files.readString(file);
    } else {
      file = folder.resolve(VOCABULARY);
      if (!Files.exists(file)) {
        throw new NoSuchFileException(
            folder.toString(), null, "expected " + JSON + " or " + VOCABULARY + ", found neither");
      }
      json = WordPieceVocabulary.read(file);
    }
    HuggingFaceTokenizer whole = open(file, json, 0);
    try {
      int overhead = whole.encode("").getIds().length;
      int pairOverhead = whole.encode("", "").getIds().length;
      // Below this the library's own subtraction would wrap around.
      if (maxLength <= overhead) {
        throw tooShort(file, maxLength, overhead);
      }
      return new TextTokenizer(
          file, open(file, json, maxLength), whole, maxLength, vocabularySize, pairOverhead);
    } catch (IOException | RuntimeException e) {
      whole.close();
      throw e;
    }
  }

  /**
   * @param maxLength 0 for no truncation
   */
  private static HuggingFaceTokenizer open(Path file, String json, int maxLength)
      throws IOException {
    Natives.loadTokenizers();
    String limit = Integer.toString(maxLength);
    Map<String, String> options =
        maxLength == 0
            ? Map.of("padding", "false", "truncation", "false")
            : Map.of(
                "padding",
                "false",
                "truncation",
                "true",
                "maxLength",
                limit,
                "modelMaxLength",
                limit);
    try (ByteArrayInputStream in =
        new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8))) {
      return HuggingFaceTokenizer.newInstance(in, options);
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(file + ": not a tokenizer: " + e.getMessage(), e);
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
    Tokens[] all = new Tokens[examples.size()];
    List<Integer> singles = new ArrayList<>();
    List<Integer> pairs = new ArrayList<>();
    for (int i = 0; i < all.length; i++) {
      (examples.get(i).textPair() == null ? singles : pairs).add(i);
    }
    if (!pairs.isEmpty() && maxLength <= pairOverhead) {
      throw tooShort(file, maxLength, pairOverhead);
    }
    lock.readLock().lock();
    try {
      for (int at = 0; at < singles.size(); at += CHUNK) {
        List<Integer> chunk = singles.subList(at, Math.min(at + CHUNK, singles.size()));
        List<String> texts = chunk.stream().map(i -> examples.get(i).text()).toList();
        store(tokenizer.batchEncode(texts), chunk, examples, all);
      }
      for (int at = 0; at < pairs.size(); at += CHUNK) {
        List<Integer> chunk = pairs.subList(at, Math.min(at + CHUNK, pairs.size()));
        PairList<String, String> texts = new PairList<>(chunk.size());
        chunk.forEach(i -> texts.add(examples.get(i).text(), examples.get(i).textPair()));
        store(tokenizer.batchEncode(texts), chunk, examples, all);
      }
    } finally {
      lock.readLock().unlock();
    }
    return List.of(all);
  }

  private void store(
      Encoding[] encodings, List<Integer> places, List<Example> examples, Tokens[] all) {
    for (int i = 0; i < encodings.length; i++) {
      Encoding encoding = encodings[i];
      int cut =
          encoding.exceedMaxLength()
              ? wholeLength(examples.get(places.get(i))) - encoding.getIds().length
              : 0;
      all[places.get(i)] = tokens(encoding, cut);
    }
  }

  private int wholeLength(Example example) {
    Encoding encoding =
        example.textPair() == null
            ? whole.encode(example.text())
            : whole.encode(example.text(), example.textPair());
    return encoding.getIds().length;
  }

  private Tokens tokens(Encoding encoding, int cut) {
    long[] wideIds = encoding.getIds();
    long[] wideTypes = encoding.getTypeIds();
    int[] ids = new int[wideIds.length];
    int[] types = new int[wideIds.length];
    for (int i = 0; i < ids.length; i++) {
      if (wideIds[i] >= vocabularySize) {
        throw new IllegalArgumentException(
            file
                + ": token '"
                + encoding.getTokens()[i]
                + "' has the number "
                + wideIds[i]
                + "; expected one below the model's vocab_size "
                + vocabularySize
                + ": the tokenizer is another model's");
      }
      ids[i] = (int) wideIds[i];
      types[i] = (int) wideTypes[i];
    }
    return new Tokens(ids, types, cut);
  }

  /** Frees the tokenizer, once nobody is encoding. A second call does nothing. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      tokenizer.close();
      whole.close();
    } finally {
      lock.writeLock().unlock();
    }
  }
}
