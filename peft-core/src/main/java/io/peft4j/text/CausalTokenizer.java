package io.peft4j.text;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.generate.Codec;
import io.peft4j.model.Model;
import io.peft4j.torch.Natives;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A language model's {@code tokenizer.json} through Hugging Face's own library: texts to token
 * numbers and back, its special tokens and its chat template. Neither pads nor truncates.
 *
 * <p>Owns native memory until {@link #close}.
 */
public final class CausalTokenizer implements Codec, AutoCloseable {

  private final Path file;
  private final HuggingFaceTokenizer tokenizer;
  private final int vocabularySize;
  private final Map<String, String> specialTokens;
  private final ChatTemplate chatTemplate;

  private CausalTokenizer(
      Path file, HuggingFaceTokenizer tokenizer, int vocabularySize, ChatTemplate chatTemplate)
      throws IOException {
    this.file = file;
    this.tokenizer = tokenizer;
    this.vocabularySize = vocabularySize;
    this.specialTokens = SpecialTokens.read(file.toAbsolutePath().getParent());
    this.chatTemplate = chatTemplate;
  }

  /** Opens the tokenizer that goes with {@code model}; see {@link #load}. */
  public static CausalTokenizer of(Path folder, Model model) throws IOException {
    return load(folder, model.vocabularySize());
  }

  /**
   * Opens a tokenizer.
   *
   * @param folder with {@code tokenizer.json}, and {@code tokenizer_config.json} if there is one
   * @param vocabularySize how many token numbers the model knows
   * @throws IOException if the file is missing or cannot be read
   * @throws IllegalArgumentException if it is no tokenizer, is another model's, or has a broken
   *     chat template
   */
  public static CausalTokenizer load(Path folder, int vocabularySize) throws IOException {
    Path file = folder.resolve("tokenizer.json");
    if (!Files.exists(file)) {
      throw new NoSuchFileException(
          file.toString(), null, "a language model's texts need a tokenizer.json; found none");
    }
    checkVocabulary(file, vocabularySize);
    ChatTemplate template = ChatTemplate.find(folder).orElse(null);
    Natives.loadTokenizers();
    HuggingFaceTokenizer tokenizer;
    try {
      tokenizer =
          HuggingFaceTokenizer.newInstance(file, Map.of("padding", "false", "truncation", "false"));
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(file + ": not a tokenizer: " + e.getMessage(), e);
    }
    return new CausalTokenizer(file, tokenizer, vocabularySize, template);
  }

  /** Tokens that were added to a vocabulary may go beyond the model; its own may not. */
  private static void checkVocabulary(Path file, int vocabularySize) throws IOException {
    JsonNode vocabulary = SpecialTokens.json(file).path("model").path("vocab");
    if (vocabulary.size() > vocabularySize) {
      throw new IllegalArgumentException(
          file
              + ": model.vocab: expected at most "
              + vocabularySize
              + " tokens, the model's vocab_size, found "
              + vocabulary.size()
              + ": the tokenizer is another model's");
    }
  }

  /** {@return how the tokenizer writes conversations, if it says so} */
  public Optional<ChatTemplate> chatTemplate() {
    return Optional.ofNullable(chatTemplate);
  }

  /**
   * {@return as {@link #chatTemplate}, which has to be there}
   *
   * @throws IllegalArgumentException if it is not
   */
  public ChatTemplate requireChatTemplate() {
    if (chatTemplate == null) {
      throw new IllegalArgumentException(
          file.resolveSibling(SpecialTokens.CONFIG)
              + ": expected a chat_template (or a file chat_template.jinja beside it), found none:"
              + " messages cannot be written as text");
    }
    return chatTemplate;
  }

  /** {@return the number of the token that ends a text, if the tokenizer has one} */
  public OptionalInt endOfText() {
    String token = specialTokens.get("eos_token");
    if (token == null) {
      return OptionalInt.empty();
    }
    int[] ids = encodePlain(token).ids();
    return ids.length == 1 ? OptionalInt.of(ids[0]) : OptionalInt.empty();
  }

  /** As a prompt: with the special tokens that the tokenizer puts around a text. */
  @Override
  public int[] encode(String text) {
    return ids(tokenizer.encode(text, true, false));
  }

  /**
   * {@return the tokens of a conversation to be answered}
   *
   * @param messages each with {@code role} and mostly {@code content}
   * @throws IllegalArgumentException if there is no chat template, or it does not accept them
   */
  public int[] encodeChat(List<Map<String, Object>> messages) {
    return encodePlain(requireChatTemplate().prompt(messages)).ids();
  }

  /**
   * Tokens and where they come from.
   *
   * @param ids token numbers
   * @param starts for each, where its text begins, in characters of Java
   * @param ends for each, where its text ends
   */
  record Located(int[] ids, int[] starts, int[] ends) {}

  /** Without special tokens around: for a text that has its own, as chat templates write them. */
  Located encodePlain(String text) {
    Encoding encoding = tokenizer.encode(text, false, false);
    CharSpan[] spans = encoding.getCharTokenSpans();
    boolean simple = text.codePointCount(0, text.length()) == text.length();
    int[] starts = new int[spans.length];
    int[] ends = new int[spans.length];
    for (int i = 0; i < spans.length; i++) {
      int start = spans[i] == null ? 0 : spans[i].getStart();
      int end = spans[i] == null ? 0 : spans[i].getEnd();
      starts[i] = simple ? start : text.offsetByCodePoints(0, start);
      ends[i] = simple ? end : text.offsetByCodePoints(0, end);
    }
    return new Located(ids(encoding), starts, ends);
  }

  private int[] ids(Encoding encoding) {
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
  public String decode(int[] tokens) {
    return decode(tokens, true);
  }

  @Override
  public String decodeWithSpecialTokens(int[] tokens) {
    return decode(tokens, false);
  }

  private String decode(int[] tokens, boolean skipSpecialTokens) {
    return tokenizer.decode(Arrays.stream(tokens).asLongStream().toArray(), skipSpecialTokens);
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
