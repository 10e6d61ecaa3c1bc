package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The classes of transformers 5.18 that build a tokenizer anew from the vocabulary of {@code
 * tokenizer.json}, each in its own way and with its own settings of {@code tokenizer_config.json};
 * and {@link #AS_IS}, which takes the file as it is.
 */
enum TokenizerClass {
  AS_IS("TokenizersBackend", ""),
  BERT(
      "BertTokenizer",
      "unk_token=[UNK] sep_token=[SEP] pad_token=[PAD] cls_token=[CLS] mask_token=[MASK]"),
  DISTILBERT("DistilBertTokenizer", BERT.defaults),
  ROBERTA(
      "RobertaTokenizer",
      "bos_token=<s> eos_token=</s> sep_token=</s> cls_token=<s> unk_token=<unk> pad_token=<pad>"
          + " mask_token=<mask>"),
  XLM_ROBERTA("XLMRobertaTokenizer", ROBERTA.defaults),
  GPT2("GPT2Tokenizer", "unk_token=<|endoftext|> bos_token=<|endoftext|> eos_token=<|endoftext|>"),
  GPT_NEOX("GPTNeoXTokenizer", GPT2.defaults + " pad_token=<|padding|>"),
  LLAMA("LlamaTokenizer", "unk_token=<unk> bos_token=<s> eos_token=</s>"),
  QWEN2(
      "Qwen2Tokenizer", "unk_token=<|endoftext|> eos_token=<|endoftext|> pad_token=<|endoftext|>"),
  GEMMA(
      "GemmaTokenizer",
      "unk_token=<unk> bos_token=<bos> eos_token=<eos> pad_token=<pad> mask_token=<mask>");

  /** Names that transformers resolves to the file as it is. */
  private static final Set<String> FILE =
      Set.of(
          AS_IS.label,
          "PreTrainedTokenizer",
          "PreTrainedTokenizerFast",
          "PythonBackend",
          "BloomTokenizer");

  final String label;
  private final String defaults;

  TokenizerClass(String label, String defaults) {
    this.label = label;
    this.defaults = defaults;
  }

  /**
   * What {@code AutoTokenizer} chooses.
   *
   * @param known whether transformers' class is among those that we rebuild; else the file is taken
   *     as it is, which is right for a name that transformers does not know either
   */
  record Chosen(TokenizerClass type, String name, boolean known) {}

  /**
   * @param modelType of {@code config.json}, or null
   * @param named {@code tokenizer_class} of {@code tokenizer_config.json}, else of {@code
   *     config.json}, or null
   */
  static Chosen choose(String modelType, String named) {
    Family family = modelType == null ? null : Families.find(modelType);
    TokenizerClass registered = family == null ? null : labelled(family.tokenizerClass());
    if (named == null) {
      TokenizerClass type = registered == null ? AS_IS : registered;
      return new Chosen(type, type.label, true);
    }
    String name = named.equals("PreTrainedTokenizerFast") ? named : withoutFast(named);
    boolean differs = registered != null && !registered.label.equals(withoutFast(named));
    if (differs && (registered == AS_IS || family.tokenizerOftenMisnamed())) {
      return new Chosen(registered, registered.label, true);
    }
    TokenizerClass type = labelled(name);
    return type != null
        ? new Chosen(type, name, true)
        : new Chosen(AS_IS, name, FILE.contains(name));
  }

  /** {@return the class of that name, or null where it is none that we rebuild} */
  private static TokenizerClass labelled(String name) {
    for (TokenizerClass type : values()) {
      if (type.label.equals(name)) {
        return type;
      }
    }
    return null;
  }

  private static String withoutFast(String name) {
    return name.endsWith("Fast") ? name.substring(0, name.length() - 4) : name;
  }

  /** {@return the special tokens it has where no file names them} */
  Map<String, String> defaultTokens() {
    Map<String, String> tokens = new HashMap<>();
    for (String part : defaults.isEmpty() ? List.<String>of() : List.of(defaults.split(" "))) {
      int at = part.indexOf('=');
      tokens.put(part.substring(0, at), part.substring(at + 1));
    }
    return tokens;
  }

  /** {@return whether it gives a model {@code token_type_ids}} */
  boolean givesTypes() {
    return this == BERT;
  }

  /**
   * {@return the kind of model it builds of a vocabulary}
   *
   * @throws IllegalArgumentException if {@code vocab} is not of the shape that it needs
   */
  String modelType(JsonNode vocab, String where) {
    String type =
        switch (this) {
          case BERT, DISTILBERT -> "WordPiece";
          case XLM_ROBERTA -> "Unigram";
          default -> "BPE";
        };
    if (type.equals("Unigram") ? !vocab.isArray() : !vocab.isObject()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: model.vocab: expected the vocabulary of a %s model, which %s needs, found %s",
              where,
              type,
              label,
              vocab.isMissingNode() ? "none" : "another's"));
    }
    return type;
  }
}
