package io.peft4j.generate;

import java.util.Arrays;
import java.util.List;

/** The text of a growing list of tokens, up to a stop string. */
final class GrowingText {

  /** Some tokens before, since a first token can lose its leading space. */
  private static final int CONTEXT = 8;

  private static final char INCOMPLETE = '\uFFFD';

  private final Codec codec;
  private final List<String> stops;
  private final int[] before;
  private final int beforeLength;
  private String text = "";
  private int told;
  private boolean stopped;

  /**
   * @param prompt what comes before
   */
  GrowingText(Codec codec, List<String> stops, int[] prompt) {
    this.codec = codec;
    this.stops = stops;
    this.before = Arrays.copyOfRange(prompt, Math.max(0, prompt.length - CONTEXT), prompt.length);
    this.beforeLength = codec.decode(before).length();
  }

  /**
   * @param tokens all tokens so far
   * @return what can be told of their text and has not been yet
   */
  String update(int[] tokens) {
    int[] all = Arrays.copyOf(before, before.length + tokens.length);
    System.arraycopy(tokens, 0, all, before.length, tokens.length);
    String whole = codec.decode(all);
    text = whole.substring(Math.min(beforeLength, whole.length()));
    for (String stop : stops) {
      int at = text.indexOf(stop);
      if (at >= 0) {
        text = text.substring(0, at);
        stopped = true;
      }
    }
    return tell(stopped ? text.length() : text.length() - open());
  }

  /** {@return the rest, when no more tokens come} */
  String finish() {
    return tell(text.length());
  }

  private String tell(int end) {
    String news = end > told ? text.substring(told, end) : "";
    told = Math.max(told, end);
    return news;
  }

  /** {@return how many last characters may yet change or become a stop string} */
  private int open() {
    int open = 0;
    while (open < text.length() && text.charAt(text.length() - 1 - open) == INCOMPLETE) {
      open++;
    }
    for (String stop : stops) {
      for (int n = Math.min(stop.length() - 1, text.length()); n > open; n--) {
        if (text.endsWith(stop.substring(0, n))) {
          open = n;
        }
      }
    }
    return open;
  }

  /** {@return whether a stop string has come} */
  boolean stopped() {
    return stopped;
  }

  /** {@return the text without the stop string} */
  String text() {
    return text;
  }
}
