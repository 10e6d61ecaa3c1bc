package io.peft4j.text;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import io.peft4j.data.CausalExample;
import io.peft4j.generate.Codec;
import io.peft4j.model.Model;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A language model's tokenizer, as transformers has it, through Hugging Face's own library: texts
 * to token numbers and back, its special tokens and its chat template. What stands beside {@code
 * tokenizer.json} is laid over it. Neither pads nor truncates.
 *
 * <p>Owns native memory until {@link #close}.
 */
public final class CausalTokenizer implements Codec, AutoCloseable {

  private final TokenizerDefinition definition;
  private final NativeTokenizer tokenizer;
  private final ChatTemplate chatTemplate;

  private CausalTokenizer(
      TokenizerDefinition definition, NativeTokenizer tokenizer, ChatTemplate chatTemplate) {
    this.definition = definition;
    this.tokenizer = tokenizer;
    this.chatTemplate = chatTemplate;
  }

  /** Opens the tokenizer that goes with {@code model}; see {@link #load}. */
  public static CausalTokenizer of(Path folder, Model model) throws IOException {
    return load(folder, model.vocabularySize());
  }

  /**
   * Opens the tokenizer that goes with {@code model} and its adapter: the adapter's own, if it has
   * one; see {@link #load}.
   */
  public static CausalTokenizer of(TokenizerFolders folders, Model model) throws IOException {
    return load(folders, model.vocabularySize());
  }

  /**
   * Opens a tokenizer.
   *
   * @param folder with {@code tokenizer.json} or {@code vocab.json} and {@code merges.txt}, and
   *     {@code tokenizer_config.json} if there is one
   * @param vocabularySize how many token numbers the model knows
   * @throws IOException if the file is missing or cannot be read
   * @throws IllegalArgumentException if it is no tokenizer, is another model's, or has a broken
   *     chat template
   */
  public static CausalTokenizer load(Path folder, int vocabularySize) throws IOException {
    return load(TokenizerFolders.of(folder), vocabularySize);
  }

  private static CausalTokenizer load(TokenizerFolders folders, int vocabularySize)
      throws IOException {
    Path folder = folders.vocabulary();
    if (!TokenizerDefinition.isIn(folder)) {
      throw new NoSuchFileException(
          folder.resolve("tokenizer.json").toString(),
          null,
          "a language model's texts need a tokenizer.json, or vocab.json and merges.txt; found"
              + " none");
    }
    TokenizerDefinition definition = TokenizerDefinition.read(folder, folders.model());
    checkVocabulary(definition, vocabularySize);
    Map<String, String> special = definition.config().specialTokens();
    ChatTemplate template = ChatTemplate.find(folders.template(), special).orElse(null);
    return new CausalTokenizer(
        definition, NativeTokenizer.open(definition, vocabularySize), template);
  }

  /** Tokens that were added to a vocabulary may go beyond the model; its own may not. */
  private static void checkVocabulary(TokenizerDefinition definition, int vocabularySize) {
    int size = definition.json().path("model").path("vocab").size();
    if (size > vocabularySize) {
      throw new IllegalArgumentException(
          definition.file()
              + ": model.vocab: expected at most "
              + vocabularySize
              + " tokens, the model's vocab_size, found "
              + size
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
          definition.config().file()
              + ": expected a chat_template (or a file chat_template.jinja beside it), found none:"
              + " messages cannot be written as text");
    }
    return chatTemplate;
  }

  /** {@return the number of the token that ends a text, if the tokenizer has one} */
  public OptionalInt endOfText() {
    AddedToken token = definition.config().special().get("eos_token");
    return token == null ? OptionalInt.empty() : definition.number(token.content());
  }

  /** As a prompt: with the special tokens that the tokenizer puts around a text. */
  @Override
  public int[] encode(String text) {
    return tokenizer.ids(tokenizer.encode(text, true));
  }

  /**
   * {@return the tokens of a conversation to be answered}
   *
   * @param messages each with {@code role} and mostly {@code content}
   * @throws IllegalArgumentException if there is no chat template, or it does not accept them
   */
  public int[] encodeChat(List<Map<String, Object>> messages) {
    return encodeChat(new CausalExample.Chat(messages, Map.of(), 0));
  }

  /**
   * {@return the tokens of a conversation to be answered, with what else it gives the template}
   *
   * @throws IllegalArgumentException if there is no chat template, or it does not accept it
   */
  public int[] encodeChat(CausalExample.Chat chat) {
    String text = requireChatTemplate().render(chat.messages(), true, chat.variables()).text();
    return encodePlain(text).ids();
  }

  /**
   * Tokens and where they come from.
   *
   * @param ids token numbers
   * @param starts for each, where its text begins, in characters of Java
   * @param ends for each, where its text ends
   */
  record Located(int[] ids, int[] starts, int[] ends) {}

  /**
   * Without special tokens around: for a text that has its own, as chat templates write them.
   *
   * @throws IllegalArgumentException if the tokenizer's normalizer loses count of the characters,
   *     so that tokens come from places that the text does not have
   */
  Located encodePlain(String text) {
    Encoding encoding = tokenizer.encode(text, false);
    CharSpan[] spans = encoding.getCharTokenSpans();
    int length = text.codePointCount(0, text.length());
    boolean simple = length == text.length();
    int[] starts = new int[spans.length];
    int[] ends = new int[spans.length];
    for (int i = 0; i < spans.length; i++) {
      int start = spans[i] == null ? 0 : spans[i].getStart();
      int end = spans[i] == null ? 0 : spans[i].getEnd();
      if (start < 0 || start > end || end > length) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: gives a token the characters from %d to %d of a text of %d",
                definition.file(),
                start,
                end,
                length));
      }
      starts[i] = simple ? start : text.offsetByCodePoints(0, start);
      ends[i] = simple ? end : text.offsetByCodePoints(0, end);
    }
    return new Located(tokenizer.ids(encoding), starts, ends);
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
    String text = tokenizer.decode(tokens, skipSpecialTokens);
    return definition.cleansBlanks() ? cleaned(text) : text;
  }

  /** Without the blanks that word pieces leave, as {@code clean_up_tokenization} has it. */
  private static String cleaned(String text) {
    return text.replace(" .", ".")
        .replace(" ?", "?")
        .replace(" !", "!")
        .replace(" ,", ",")
        .replace(" ' ", "'")
        .replace(" n't", "n't")
        .replace(" 'm", "'m")
        .replace(" 's", "'s")
        .replace(" 've", "'ve")
        .replace(" 're", "'re");
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
