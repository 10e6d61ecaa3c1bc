package io.peft4j.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.BitSet;
import java.util.Deque;

/**
 * SentencePiece's table of characters ({@code precompiled_charsmap}): a trie in a double array, and
 * the strings to which its leaves point. The library follows it without looking where it leads.
 */
final class CharsMap {

  private CharsMap() {}

  /**
   * {@return whether no text leads out of the table}
   *
   * @param base64 as in {@code tokenizer.json}
   */
  static boolean isSound(String base64) {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(base64);
    } catch (IllegalArgumentException e) {
      return false;
    }
    if (bytes.length < 4) {
      return false;
    }
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    long size = Integer.toUnsignedLong(buffer.getInt());
    if (size == 0 || size % 4 != 0 || size > buffer.remaining()) {
      return false;
    }
    IntBuffer trie = buffer.slice(4, (int) size).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
    ByteBuffer strings = buffer.slice(4 + (int) size, bytes.length - 4 - (int) size);
    try {
      StandardCharsets.UTF_8.newDecoder().decode(strings.duplicate());
    } catch (CharacterCodingException e) {
      return false;
    }
    return isSound(trie, strings);
  }

  private static boolean isSound(IntBuffer trie, ByteBuffer strings) {
    int length = trie.limit();
    BitSet seen = new BitSet();
    Deque<Integer> open = new ArrayDeque<>();
    open.add(offset(trie.get(0)));
    while (!open.isEmpty()) {
      int node = open.poll();
      if (node < 0 || (node | 0xff) >= length) {
        return false;
      }
      if (seen.get(node)) {
        continue;
      }
      seen.set(node);
      for (int c = 1; c < 256; c++) {
        int unit = trie.get(node ^ c);
        if ((unit & 0x800000ff) != c) {
          continue;
        }
        int next = node ^ c ^ offset(unit);
        if (next < 0 || next >= length) {
          return false;
        }
        if ((unit >>> 8 & 1) == 1 && !isString(trie.get(next) & 0x7fffffff, strings)) {
          return false;
        }
        open.add(next);
      }
    }
    return true;
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & 1 << 9) >>> 6);
  }

  private static boolean isString(int at, ByteBuffer strings) {
    return at == strings.limit() || at < strings.limit() && (strings.get(at) & 0xc0) != 0x80;
  }
}
