package io.peft4j.generate;

import io.peft4j.api.Experimental;
import java.util.Arrays;
import java.util.List;

/**
 * The text of a growing list of tokens, up to a stop string. As in transformers, a stop string may
 * begin in the prompt, and special tokens can be part of it.
 */
@Experimental
public final class GrowingText {

  /** Some tokens before, since a first token can lose its leading space. */
  private static final int CONTEXT = 8;

  private static final char INCOMPLETE = '\uFFFD';

  private final Codec codec;
  private final List<String> stops;
  private final int[] before;
  private final int beforeLength;
  private final int markedLength;
  private String text = "";
  private int told;
  private boolean stopped;

  /**
   * @param stops texts that end it
   * @param prompt what comes before
   */
  public GrowingText(Codec codec, List<String> stops, int[] prompt) {
    this.codec = codec;
    this.stops = stops;
    int longest = stops.stream().mapToInt(String::length).max().orElse(0);
    int from = Math.max(0, prompt.length - Math.max(CONTEXT, longest));
    this.before = Arrays.copyOfRange(prompt, from, prompt.length);
    this.beforeLength = codec.decode(before).length();
    this.markedLength = stops.isEmpty() ? 0 : codec.decodeWithSpecialTokens(before).length();
  }

  /**
   * @param tokens all tokens so far
   * @return what can be told of their text and has not been yet
   */
  public String update(int[] tokens) {
    int[] all = Arrays.copyOf(before, before.length + tokens.length);
    System.arraycopy(tokens, 0, all, before.length, tokens.length);
    String whole = codec.decode(all);
    text = whole.substring(Math.min(beforeLength, whole.length()));
    if (!stops.isEmpty()) {
      stop(whole, codec.decodeWithSpecialTokens(all));
    }
    return tell(stopped ? text.length() : text.length() - open(whole));
  }

  /**
   * @param marked {@code whole} with its special tokens
   */
  private void stop(String whole, String marked) {
    int cut = text.length();
    for (String stop : stops) {
      // only what the new tokens complete: a stop string within the prompt stops nothing
      stopped |= marked.indexOf(stop, Math.max(0, markedLength - stop.length() + 1)) >= 0;
      int at = whole.indexOf(stop, Math.max(0, beforeLength - stop.length() + 1));
      if (at >= 0) {
        stopped = true;
        cut = Math.min(cut, Math.max(0, at - beforeLength));
      }
    }
    text = text.substring(0, cut);
  }

  /** {@return the rest, when no more tokens come} */
  public String finish() {
    return tell(text.length());
  }

  private String tell(int end) {
    String news = end > told ? text.substring(told, end) : "";
    told = Math.max(told, end);
    return news;
  }

  /** {@return how many last characters may yet change or become a stop string} */
  private int open(String whole) {
    int open = 0;
    while (open < text.length() && text.charAt(text.length() - 1 - open) == INCOMPLETE) {
      open++;
    }
    for (String stop : stops) {
      for (int n = Math.min(stop.length() - 1, whole.length()); n > open; n--) {
        if (whole.endsWith(stop.substring(0, n))) {
          open = n;
        }
      }
    }
    return Math.min(open, text.length());
  }

  /** {@return whether a stop string has come} */
  public boolean stopped() {
    return stopped;
  }

  /** {@return the text without the stop string} */
  public String text() {
    return text;
  }
}
