package io.peft4j.text;

import java.util.Map;

/**
 * The parts that a tokenizer may have, and what their keys may hold: see {@link TokenizerCheck} for
 * what each letter means. With a question mark a key may be missing or null.
 */
final class TokenizerParts {

  private TokenizerParts() {}

  static final Map<String, String> NORMALIZERS =
      Map.ofEntries(
          Map.entry(
              "BertNormalizer", "clean_text:b handle_chinese_chars:b strip_accents:b? lowercase:b"),
          Map.entry("Strip", "strip_left:b strip_right:b"),
          Map.entry("StripAccents", ""),
          Map.entry("NFC", ""),
          Map.entry("NFD", ""),
          Map.entry("NFKC", ""),
          Map.entry("NFKD", ""),
          Map.entry("Lowercase", ""),
          Map.entry("Nmt", ""),
          Map.entry("ByteLevel", ""),
          Map.entry("Prepend", "prepend:s"),
          Map.entry("Precompiled", "precompiled_charsmap:m"),
          Map.entry("Replace", "pattern:p content:s"),
          Map.entry("Sequence", "normalizers:l"));

  private static final String BYTES = "add_prefix_space:b trim_offsets:b use_regex:b?";
  private static final String META =
      "replacement:c add_prefix_space:b? prepend_scheme:first/never/always? split:b?";
  private static final String BEHAVIOR =
      "Removed/Isolated/MergedWithPrevious/MergedWithNext/Contiguous";

  static final Map<String, String> PRE_TOKENIZERS =
      Map.ofEntries(
          Map.entry("BertPreTokenizer", ""),
          Map.entry("ByteLevel", BYTES),
          Map.entry("CharDelimiterSplit", "delimiter:c"),
          Map.entry("Metaspace", META),
          Map.entry("Whitespace", ""),
          Map.entry("WhitespaceSplit", ""),
          Map.entry("UnicodeScripts", ""),
          Map.entry("Split", "pattern:p behavior:" + BEHAVIOR + " invert:b"),
          Map.entry("Punctuation", "behavior:" + BEHAVIOR + "?"),
          Map.entry("Digits", "individual_digits:b"),
          Map.entry("FixedLength", "length:n"),
          Map.entry("Sequence", "pretokenizers:l"));

  static final Map<String, String> PROCESSORS =
      Map.of(
          "BertProcessing", "sep:t cls:t",
          "RobertaProcessing", "sep:t cls:t trim_offsets:b add_prefix_space:b",
          "ByteLevel", BYTES,
          "TemplateProcessing", "single:x pair:x special_tokens:x",
          "Sequence", "processors:l");

  static final Map<String, String> DECODERS =
      Map.of(
          "BPEDecoder", "suffix:s",
          "ByteLevel", BYTES,
          "WordPiece", "prefix:s cleanup:b",
          "Metaspace", META,
          "CTC", "pad_token:s word_delimiter_token:s cleanup:b",
          "Replace", "pattern:p content:s",
          "Fuse", "",
          "ByteFallback", "",
          "Strip", "content:c start:i stop:i",
          "Sequence", "decoders:l");

  static final Map<String, String> MODELS =
      Map.of(
          "BPE",
          "dropout:f? unk_token:s? continuing_subword_prefix:s? end_of_word_suffix:s? fuse_unk:b?"
              + " byte_fallback:b? ignore_merges:b? vocab:x merges:x",
          "WordPiece",
          "unk_token:s continuing_subword_prefix:s max_input_chars_per_word:n vocab:x",
          "WordLevel",
          "vocab:x unk_token:s",
          "Unigram",
          "unk_id:i? vocab:x byte_fallback:b?");
}
