package io.peft4j.text;

import ai.djl.huggingface.tokenizers.Encoding;

/**
 * Cuts what is too long, as the library of transformers 5.18 does: the one that comes with Java is
 * older, gives the odd token of a pair to the other text, and cuts at the end only.
 */
final class Cut {

  private Cut() {}

  /**
   * {@return which tokens stay} Special tokens do, and of a pair the longer text is cut first.
   *
   * @param encoding uncut
   * @param maxLength tokens that may stay, at least the special ones
   * @param left whether texts are cut at their beginning
   */
  static boolean[] kept(Encoding encoding, int maxLength, boolean left) {
    long[] special = encoding.getSpecialTokenMask();
    long[] texts = encoding.getSequenceIds();
    int[] lengths = new int[2];
    int room = maxLength;
    for (int i = 0; i < special.length; i++) {
      if (special[i] == 1) {
        room--;
      } else {
        lengths[texts[i] == 1 ? 1 : 0]++;
      }
    }
    int[] keep = lengths.clone();
    if (lengths[0] + lengths[1] > room) {
      boolean firstIsLonger =
          read(encoding, 0, maxLength, left) > read(encoding, 1, maxLength, left);
      int less = Math.min(room, Math.min(lengths[0], lengths[1]));
      int more = Math.max(less, room - less);
      if (less + more > room) {
        less = room / 2;
        more = less + room % 2;
      }
      keep = firstIsLonger ? new int[] {more, less} : new int[] {less, more};
    }
    boolean[] kept = new boolean[special.length];
    int[] seen = new int[2];
    for (int i = 0; i < kept.length; i++) {
      int text = texts[i] == 1 ? 1 : 0;
      int place = special[i] == 1 ? 0 : seen[text]++;
      kept[i] =
          special[i] == 1 || (left ? place >= lengths[text] - keep[text] : place < keep[text]);
    }
    return kept;
  }

  /**
   * {@return how many tokens of a text the library makes} It stops after the word with which there
   * are {@code maxLength}.
   */
  private static int read(Encoding encoding, int text, int maxLength, boolean left) {
    long[] special = encoding.getSpecialTokenMask();
    long[] texts = encoding.getSequenceIds();
    long[] words = encoding.getWordIds();
    int count = 0;
    long word = -1;
    for (int i = 0; i < words.length; i++) {
      int at = left ? words.length - 1 - i : i;
      if (special[at] == 1 || (texts[at] == 1 ? 1 : 0) != text) {
        continue;
      }
      if (count >= maxLength && words[at] != word) {
        return count;
      }
      word = words[at];
      count++;
    }
    return count;
  }
}
