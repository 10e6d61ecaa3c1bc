package io.peft4j.text;

import java.util.Set;

/**
 * A pattern by which a tokenizer splits or replaces. The library's engine backtracks; where it has
 * done so ten million times, it ends the process. So a pattern is one that is known, or simple, and
 * how long a text may be follows from how often it may have to go back.
 *
 * @param isText whether it stands for itself and is no regular expression
 * @param retries 0 for a pattern that goes back in runs of blanks at most, else how many
 *     repetitions follow one another with something behind them
 */
record TokenizerPattern(String source, boolean isText, int retries) {

  private static final String ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
  private static final String BLANKS = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  private static final String UPPER = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
  private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
  private static final String OPTIONAL = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

  /**
   * Patterns of model families. TokenizerPatternTest tries each with runs of every kind of
   * character as long as {@link TextLimits} lets them be.
   */
  private static final Set<String> KNOWN =
      Set.of(
          // GPT-2
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
          // Llama 3, GPT-4
          ENDINGS
              + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
              + BLANKS,
          "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
          // Qwen 2 and 3
          ENDINGS
              + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
              + BLANKS,
          ENDINGS
              + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
              + BLANKS,
          // GPT-4o, Phi-4
          UPPER
              + "*"
              + LOWER
              + "+"
              + OPTIONAL
              + "|"
              + UPPER
              + "+"
              + LOWER
              + "*"
              + OPTIONAL
              + "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
              + BLANKS,
          // Mistral
          UPPER
              + "*"
              + LOWER
              + "+|"
              + UPPER
              + "+"
              + LOWER
              + "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
              + BLANKS,
          // Bloom, Falcon and others
          " ?[^(\\s|[.,!?…。，、।۔،])]+",
          "[0-9][0-9][0-9]",
          "[^\\s]+",
          "\\s+");

  /** {@return the patterns that are taken as they are} */
  static Set<String> known() {
    return KNOWN;
  }

  static TokenizerPattern of(String source, boolean isText) {
    if (source.length() > 2_000) {
      throw new IllegalArgumentException(
          "expected at most 2,000 characters, found " + source.length());
    }
    return new TokenizerPattern(
        source, isText, isText || KNOWN.contains(source) ? 0 : new Reader(source).alternatives());
  }

  /** Reads a regular expression, counting repetitions that may have to be tried anew. */
  private static final class Reader {

    private final String source;
    private int at;

    Reader(String source) {
      this.source = source;
    }

    private IllegalArgumentException refused(String what) {
      return new IllegalArgumentException(
          "the regular expression "
              + source
              + " has "
              + what
              + ", which may take for ever; expected one of a known family, or a simple one");
    }

    int alternatives() {
      int most = 0;
      while (true) {
        most = Math.max(most, sequence());
        if (at == source.length()) {
          break;
        }
        if (source.charAt(at) == ')') {
          throw refused("a bracket that does not open");
        }
        at++; // the bar
      }
      if (most > 2) {
        throw refused("more than two repetitions before others");
      }
      return most;
    }

    /** {@return how many repetitions have something behind them} */
    private int sequence() {
      int open = 0;
      boolean last = false;
      while (at < source.length() && source.charAt(at) != '|' && source.charAt(at) != ')') {
        boolean repeats = item();
        if (last) {
          open++;
        }
        last = repeats;
      }
      return open;
    }

    /** {@return whether it may be repeated without limit} */
    private boolean item() {
      boolean inner = false;
      boolean looks = false;
      char c = source.charAt(at);
      if (c == '(') {
        looks = source.startsWith("(?!", at) || source.startsWith("(?=", at);
        inner = group();
      } else if (c == '[') {
        set();
      } else if (c == '\\') {
        escape();
      } else if ("*+?{".indexOf(c) >= 0) {
        throw refused("a repetition of nothing");
      } else {
        at++;
      }
      boolean many = repetition();
      if (many && inner || many && looks) {
        throw refused("a repetition within a repetition");
      }
      return many || inner;
    }

    private boolean repetition() {
      boolean many = false;
      boolean any = false;
      while (at < source.length() && "*+?{".indexOf(source.charAt(at)) >= 0) {
        char c = source.charAt(at);
        if (any && c != '?') {
          throw refused("repetitions of repetitions");
        }
        if (c == '{') {
          int end = source.indexOf('}', at);
          String body = end < 0 ? "" : source.substring(at + 1, end);
          if (!body.matches("\\d{1,3}(,\\d{0,3})?")) {
            throw refused("an odd repetition");
          }
          many |= body.contains(",");
          at = end + 1;
        } else {
          many |= c != '?';
          at++;
        }
        any = true;
      }
      return many;
    }

    /** {@return whether there are repetitions or choices in it} */
    private boolean group() {
      for (String head : new String[] {"(?:", "(?!", "(?=", "(?i:"}) {
        if (source.startsWith(head, at)) {
          at += head.length();
          return closed();
        }
      }
      if (source.startsWith("(?", at)) {
        throw refused("a group of an unusual kind");
      }
      at++;
      return closed();
    }

    private boolean closed() {
      boolean inner = false;
      while (at < source.length() && source.charAt(at) != ')') {
        if (source.charAt(at) == '|') {
          at++;
          inner = true;
        } else {
          inner |= item();
        }
      }
      if (at == source.length()) {
        throw refused("a bracket that does not close");
      }
      at++;
      return inner;
    }

    private void set() {
      at++;
      if (at < source.length() && source.charAt(at) == '^') {
        at++;
      }
      boolean first = true;
      while (at < source.length() && (first || source.charAt(at) != ']')) {
        first = false;
        if (source.charAt(at) == '\\') {
          escape();
        } else if (source.charAt(at) == '[' || source.charAt(at) == '&') {
          throw refused("a set within a set");
        } else {
          at++;
        }
      }
      if (at == source.length()) {
        throw refused("a bracket that does not close");
      }
      at++;
    }

    private void escape() {
      char c = at + 1 < source.length() ? source.charAt(at + 1) : '0';
      if (c == 'p' || c == 'P') {
        int end = source.indexOf('}', at);
        if (at + 2 >= source.length() || source.charAt(at + 2) != '{' || end < 0) {
          throw refused("an odd class of characters");
        }
        at = end + 1;
      } else if (Character.isLetterOrDigit(c) && "sSdDwWrntbB".indexOf(c) < 0) {
        throw refused("the unusual escape \\" + c);
      } else {
        at += 2;
      }
    }
  }
}
