package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * Builds a tokenizer of a vocabulary as the classes of transformers 5.18 do: what {@code
 * tokenizer.json} says of normalizer, pre-tokenizer and decoder is not used by them.
 */
final class TokenizerBuilder {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  /** As Qwen 2 splits a text: words with what stands before them, digits one by one. */
  private static final String QWEN2_PATTERN =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
          + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private TokenizerBuilder() {}

  /**
   * @param tree the file, of which the vocabulary, its merges, the post-processor and a table of
   *     characters are taken
   */
  static ObjectNode build(Path file, ObjectNode tree, TokenizerConfig config) {
    TokenizerClass type = config.type();
    JsonNode old = tree.get("model");
    ObjectNode made = JSON.createObjectNode().put("version", "1.0");
    ObjectNode model = JSON.createObjectNode();
    model.put("type", type.modelType(old.path("vocab"), file.toString()));
    boolean space = config.flag("add_prefix_space", addsSpace(type));
    switch (type) {
      case BERT, DISTILBERT -> {
        model
            .put("unk_token", config.special().get("unk_token").content())
            .put("continuing_subword_prefix", "##")
            .put("max_input_chars_per_word", 100);
        made.set("normalizer", bertNormalizer(config));
        made.set("pre_tokenizer", part("BertPreTokenizer"));
        made.set("decoder", part("WordPiece").put("prefix", "##").put("cleanup", true));
      }
      case XLM_ROBERTA -> {
        model.put("unk_id", 3).put("byte_fallback", false);
        made.set("normalizer", precompiled(tree.path("normalizer")));
        ObjectNode split = part("Sequence");
        String scheme = space ? "always" : "never";
        split.putArray("pretokenizers").add(part("WhitespaceSplit")).add(metaspace(scheme, true));
        made.set("pre_tokenizer", split);
        made.set("decoder", metaspace(scheme, true));
      }
      case LLAMA -> {
        bpe(model, null, null, true, true);
        made.putNull("normalizer");
        String scheme = !space ? "never" : config.flag("legacy", false) ? "always" : "first";
        made.set("pre_tokenizer", metaspace(scheme, false));
        made.set("decoder", sentenceDecoder(space));
      }
      case GEMMA -> {
        bpe(model, config.special().get("unk_token").content(), null, true, true);
        made.set("normalizer", replace(" ", "▁"));
        ObjectNode split = part("Split");
        split.putObject("pattern").put("String", " ");
        made.set("pre_tokenizer", split.put("behavior", "MergedWithPrevious").put("invert", false));
        made.set("decoder", sentenceDecoder(false));
      }
      case QWEN2 -> {
        bpe(model, null, "", false, false);
        made.set("normalizer", part("NFC"));
        ObjectNode split = part("Split");
        split.putObject("pattern").put("Regex", QWEN2_PATTERN);
        ObjectNode both = part("Sequence");
        both.putArray("pretokenizers")
            .add(split.put("behavior", "Isolated").put("invert", false))
            .add(byteLevel(space, true, false));
        made.set("pre_tokenizer", both);
        made.set("decoder", byteLevel(true, true, true));
      }
      default -> {
        bpe(model, null, "", false, false);
        boolean neox = type == TokenizerClass.GPT_NEOX;
        made.set("normalizer", neox ? part("NFC") : JSON.nullNode());
        boolean trim = !neox || config.flag("trim_offsets", true);
        made.set("pre_tokenizer", byteLevel(space, trim, true));
        made.set("decoder", byteLevel(true, true, true));
      }
    }
    made.set(
        "post_processor",
        tree.path("post_processor").isObject() ? tree.get("post_processor") : JSON.nullNode());
    model.set("vocab", old.get("vocab"));
    if (model.get("type").asText().equals("BPE")) {
      model.set(
          "merges", old.path("merges").isArray() ? old.get("merges") : JSON.createArrayNode());
    }
    made.set("model", model);
    return made;
  }

  private static boolean addsSpace(TokenizerClass type) {
    return type == TokenizerClass.LLAMA || type == TokenizerClass.XLM_ROBERTA;
  }

  private static ObjectNode part(String type) {
    return JSON.createObjectNode().put("type", type);
  }

  private static ObjectNode bertNormalizer(TokenizerConfig config) {
    ObjectNode normalizer =
        part("BertNormalizer")
            .put("clean_text", true)
            .put("handle_chinese_chars", config.flag("tokenize_chinese_chars", true));
    boolean said = config.json().hasNonNull("strip_accents");
    if (said) {
      normalizer.put("strip_accents", config.flag("strip_accents", false));
    } else {
      normalizer.putNull("strip_accents");
    }
    return normalizer.put("lowercase", config.flag("do_lower_case", true));
  }

  private static void bpe(
      ObjectNode model, String unknown, String affix, boolean fuse, boolean fallback) {
    model
        .putNull("dropout")
        .put("unk_token", unknown)
        .put("continuing_subword_prefix", affix)
        .put("end_of_word_suffix", affix)
        .put("fuse_unk", fuse)
        .put("byte_fallback", fallback)
        .put("ignore_merges", false);
  }

  private static ObjectNode byteLevel(boolean space, boolean trim, boolean regex) {
    return part("ByteLevel")
        .put("add_prefix_space", space)
        .put("trim_offsets", trim)
        .put("use_regex", regex);
  }

  private static ObjectNode metaspace(String scheme, boolean split) {
    return part("Metaspace")
        .put("replacement", "▁")
        .put("prepend_scheme", scheme)
        .put("split", split);
  }

  private static ObjectNode replace(String pattern, String content) {
    ObjectNode replace = part("Replace");
    replace.putObject("pattern").put("String", pattern);
    return replace.put("content", content);
  }

  private static ObjectNode sentenceDecoder(boolean strip) {
    ObjectNode decoder = part("Sequence");
    ArrayNode steps = decoder.putArray("decoders");
    steps.add(replace("▁", " ")).add(part("ByteFallback")).add(part("Fuse"));
    if (strip) {
      steps.add(part("Strip").put("content", " ").put("start", 1).put("stop", 0));
    }
    return decoder;
  }

  /** SentencePiece's table of characters is the one part of a normalizer that is kept. */
  private static JsonNode precompiled(JsonNode normalizer) {
    List<JsonNode> steps = new ArrayList<>();
    if (normalizer.path("type").asText().equals("Sequence")) {
      normalizer.path("normalizers").forEach(steps::add);
    } else {
      steps.add(normalizer);
    }
    for (JsonNode step : steps) {
      if (step.path("type").asText().equals("Precompiled")) {
        return step;
      }
    }
    return JSON.nullNode();
  }

  /** The beginning and end tokens around a text, or around each of a pair. */
  static ObjectNode beginningAndEnd(
      TokenizerConfig config, boolean begin, boolean end, AddedVocabulary vocabulary) {
    AddedToken bos = begin ? config.special().get("bos_token") : null;
    AddedToken eos = end ? config.special().get("eos_token") : null;
    List<String> single = new ArrayList<>();
    List<String> pair = new ArrayList<>();
    for (String text : List.of("A", "B")) {
      List<String> parts = new ArrayList<>();
      if (bos != null) {
        parts.add(bos.content());
      }
      parts.add("$" + text);
      if (eos != null) {
        parts.add(eos.content());
      }
      pair.addAll(parts.stream().map(part -> part + (text.equals("A") ? ":0" : ":1")).toList());
      if (text.equals("A")) {
        single.addAll(pair);
      }
    }
    return template(single, pair, vocabulary);
  }

  /** The post-processor of the classes that have one of their own. */
  static Optional<ObjectNode> ownProcessor(TokenizerConfig config, AddedVocabulary vocabulary) {
    Map<String, AddedToken> special = config.special();
    return switch (config.type()) {
      case BERT, DISTILBERT -> {
        String cls = text(special, "cls_token");
        String sep = text(special, "sep_token");
        yield Optional.of(
            template(
                List.of(cls + ":0", "$A:0", sep + ":0"),
                List.of(cls + ":0", "$A:0", sep + ":0", "$B:1", sep + ":1"),
                vocabulary));
      }
      case XLM_ROBERTA -> {
        String bos = text(special, "bos_token");
        String eos = text(special, "eos_token");
        yield Optional.of(
            template(
                List.of(bos + ":0", "$A:0", eos + ":0"),
                List.of(bos + ":0", "$A:0", eos + ":0", eos + ":0", "$B:0", eos + ":0"),
                vocabulary));
      }
      case ROBERTA -> {
        ObjectNode processor = part("RobertaProcessing");
        for (String name : List.of("sep", "cls")) {
          String token = text(special, name + "_token");
          processor.putArray(name).add(token).add(number(token, vocabulary));
        }
        yield Optional.of(
            processor
                .put("trim_offsets", config.flag("trim_offsets", true))
                .put("add_prefix_space", config.flag("add_prefix_space", false)));
      }
      default -> Optional.empty();
    };
  }

  private static String text(Map<String, AddedToken> special, String name) {
    AddedToken token = special.get(name);
    if (token == null) {
      throw new IllegalArgumentException(
          TokenizerConfig.NAME + ": " + name + ": expected a token, found none");
    }
    return token.content();
  }

  private static int number(String token, AddedVocabulary vocabulary) {
    OptionalInt id = vocabulary.number(token);
    return id.orElseThrow(
        () -> new IllegalArgumentException("special token '" + token + "' is in no vocabulary"));
  }

  /**
   * @param single each a token or {@code $A}, with {@code :} and its type
   * @param pair likewise, {@code $B} being the second text
   */
  private static ObjectNode template(
      List<String> single, List<String> pair, AddedVocabulary vocabulary) {
    ObjectNode processor = part("TemplateProcessing");
    TreeMap<String, Integer> tokens = new TreeMap<>();
    Map.of("single", single, "pair", pair)
        .forEach(
            (name, parts) -> {
              ArrayNode list = JSON.createArrayNode();
              for (String part : parts) {
                int at = part.length() - 2;
                String id = part.substring(0, at);
                boolean text = id.equals("$A") || id.equals("$B");
                list.addObject()
                    .putObject(text ? "Sequence" : "SpecialToken")
                    .put("id", text ? id.substring(1) : id)
                    .put("type_id", part.charAt(at + 1) - '0');
                if (!text) {
                  tokens.put(id, number(id, vocabulary));
                }
              }
              processor.set(name, list);
            });
    ObjectNode special = processor.putObject("special_tokens");
    tokens.forEach(
        (token, id) -> {
          ObjectNode entry = special.putObject(token).put("id", token);
          entry.putArray("ids").add(id);
          entry.putArray("tokens").add(token);
        });
    return processor;
  }
}
