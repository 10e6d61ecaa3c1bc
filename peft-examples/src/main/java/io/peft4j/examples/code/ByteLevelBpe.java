package io.peft4j.examples.code;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Learns a byte-pair encoding (Sennrich et al., 2016) over bytes, as GPT-2 has it (Radford et al.,
 * 2019), and writes it as a {@code tokenizer.json} that Hugging Face's library reads. Token 0 is
 * {@value #END}.
 */
public final class ByteLevelBpe {

  /** Ends a text. */
  public static final String END = "<|endoftext|>";

  /** How GPT-2 cuts a text into words, within which pairs are merged. */
  private static final Pattern WORD =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final Map<String, Integer> vocabulary = new LinkedHashMap<>();
  private final List<String[]> merges = new ArrayList<>();

  private ByteLevelBpe() {}

  /** A word of the texts: its pieces, and how often it occurs. */
  private static final class Word {
    private final List<String> pieces = new ArrayList<>();
    private long count;

    /** Adds this word's pairs to the counts, or takes them away. */
    void count(Map<Pair, Long> counts, int sign) {
      for (int i = 1; i < pieces.size(); i++) {
        counts.merge(new Pair(pieces.get(i - 1), pieces.get(i)), sign * count, Long::sum);
      }
    }

    void merge(Pair pair, Map<Pair, Long> counts) {
      boolean counted = true;
      for (int i = 1; i < pieces.size(); i++) {
        if (pieces.get(i - 1).equals(pair.left) && pieces.get(i).equals(pair.right)) {
          if (counted) {
            count(counts, -1);
            counted = false;
          }
          pieces.set(i - 1, pair.left + pair.right);
          pieces.remove(i);
        }
      }
      if (!counted) {
        count(counts, 1);
      }
    }
  }

  private record Pair(String left, String right) {}

  /**
   * Merges the most frequent pair until there are {@code size} tokens, or no pair occurs twice. Of
   * equally frequent ones it takes the first in the alphabet, so the result is a function of the
   * texts.
   */
  public static ByteLevelBpe train(Iterable<String> texts, int size) {
    ByteLevelBpe bpe = new ByteLevelBpe();
    bpe.add(END);
    for (int b = 0; b < 256; b++) {
      bpe.add(shown(b));
    }
    List<Word> words = words(texts);
    Map<Pair, Long> counts = new HashMap<>();
    words.forEach(word -> word.count(counts, 1));
    while (bpe.vocabulary.size() < size) {
      Pair best = mostFrequent(counts);
      if (best == null) {
        break;
      }
      bpe.merges.add(new String[] {best.left, best.right});
      bpe.add(best.left + best.right);
      words.forEach(word -> word.merge(best, counts));
    }
    return bpe;
  }

  private void add(String token) {
    vocabulary.putIfAbsent(token, vocabulary.size());
  }

  private static List<Word> words(Iterable<String> texts) {
    Map<String, Word> words = new LinkedHashMap<>();
    for (String text : texts) {
      Matcher matcher = WORD.matcher(text);
      while (matcher.find()) {
        words.computeIfAbsent(matcher.group(), ByteLevelBpe::word).count++;
      }
    }
    return new ArrayList<>(words.values());
  }

  private static Word word(String text) {
    Word word = new Word();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      word.pieces.add(shown(b & 0xFF));
    }
    return word;
  }

  private static Pair mostFrequent(Map<Pair, Long> counts) {
    Pair best = null;
    long most = 1;
    for (Map.Entry<Pair, Long> entry : counts.entrySet()) {
      Pair pair = entry.getKey();
      long count = entry.getValue();
      if (count > most || (count == most && best != null && before(pair, best))) {
        best = pair;
        most = count;
      }
    }
    return best;
  }

  private static boolean before(Pair a, Pair b) {
    int order = a.left.compareTo(b.left);
    return order < 0 || (order == 0 && a.right.compareTo(b.right) < 0);
  }

  /** {@return the character that stands for a byte in GPT-2's vocabulary} */
  private static String shown(int b) {
    if ((b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE) {
      return String.valueOf((char) b);
    }
    int hidden = b <= ' ' ? b : b < 0xA1 ? b - 0x7F + 33 : 67;
    return String.valueOf((char) (256 + hidden));
  }

  /** {@return how many tokens there are} */
  public int size() {
    return vocabulary.size();
  }

  /** Writes {@code tokenizer.json} and {@code tokenizer_config.json}. */
  public void write(Path folder) throws IOException {
    ObjectNode json = JSON.createObjectNode();
    json.put("version", "1.0").putNull("truncation").putNull("padding");
    json.putArray("added_tokens")
        .addObject()
        .put("id", 0)
        .put("content", END)
        .put("single_word", false)
        .put("lstrip", false)
        .put("rstrip", false)
        .put("normalized", false)
        .put("special", true);
    json.putNull("normalizer");
    json.set("pre_tokenizer", byteLevel());
    json.putNull("post_processor");
    json.set("decoder", byteLevel());
    ObjectNode model = json.putObject("model").put("type", "BPE").putNull("dropout");
    model.putNull("unk_token").putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
    model.put("fuse_unk", false).put("byte_fallback", false);
    ObjectNode vocab = model.putObject("vocab");
    vocabulary.forEach(vocab::put);
    ArrayNode list = model.putArray("merges");
    merges.forEach(merge -> list.addArray().add(merge[0]).add(merge[1]));
    AtomicFiles.writeString(folder.resolve("tokenizer.json"), JSON.writeValueAsString(json));
    ObjectNode config =
        JSON.createObjectNode()
            .put("tokenizer_class", "PreTrainedTokenizerFast")
            .put("bos_token", END)
            .put("eos_token", END)
            .put("clean_up_tokenization_spaces", false);
    AtomicFiles.writeString(
        folder.resolve("tokenizer_config.json"),
        JSON.writerWithDefaultPrettyPrinter().writeValueAsString(config));
  }

  private static ObjectNode byteLevel() {
    return JSON.createObjectNode()
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", true);
  }
}
