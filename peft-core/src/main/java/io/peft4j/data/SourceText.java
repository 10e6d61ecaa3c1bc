package io.peft4j.data;

import io.peft4j.io.GitLfs;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;

/**
 * A file's characters, and the physical line of each. Lines end with LF, CR LF or CR. A leading
 * byte order mark is dropped.
 */
final class SourceText {
  private final String content;
  private final int[] lineStarts;

  private SourceText(String content) {
    this.content = content;
    this.lineStarts = lineStarts(content);
  }

  /**
   * @throws DataException naming line and byte offset, if a byte is malformed in {@code charset}
   * @throws IOException if the file cannot be read or is too large to hold in memory
   */
  static SourceText read(Path file, Charset charset) throws IOException {
    if (Files.size(file) > Integer.MAX_VALUE - 16) {
      throw new IOException(
          file + " has " + Files.size(file) + " bytes; at most 2 GiB can be read, split it");
    }
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
    GitLfs.refusePointer(file, bytes.array());
    var decoder =
        charset
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    CharBuffer chars =
        CharBuffer.allocate(
            (int) Math.ceil(bytes.remaining() * (double) decoder.maxCharsPerByte()));
    CoderResult result = decoder.decode(bytes, chars, true);
    if (!result.isError()) {
      result = decoder.flush(chars);
    }
    String content = chars.flip().toString();
    if (result.isError()) {
      throw new DataException(
          file,
          lineStarts(content).length,
          String.format(
              Locale.ROOT,
              "byte 0x%02X at offset %d is not valid %s; if the file has another encoding, name it",
              bytes.get(bytes.position()),
              bytes.position(),
              charset.name()));
    }
    return new SourceText(content.startsWith("\uFEFF") ? content.substring(1) : content);
  }

  String content() {
    return content;
  }

  /** The number of physical lines; an unfinished last one counts, an empty one does not. */
  int lines() {
    int last = lineStarts[lineStarts.length - 1];
    return last == content.length() ? lineStarts.length - 1 : lineStarts.length;
  }

  /** Line {@code number}, from 1, without its end. */
  String line(int number) {
    int end = number < lineStarts.length ? lineStarts[number] : content.length();
    int start = lineStarts[number - 1];
    while (end > start && isLineEnd(content.charAt(end - 1))) {
      end--;
    }
    return content.substring(start, end);
  }

  /** The line, from 1, of the first character at or after {@code position} that ends no line. */
  int lineAtOrAfter(long position) {
    int at = (int) Math.min(position, content.length());
    while (at < content.length() && isLineEnd(content.charAt(at))) {
      at++;
    }
    int found = Arrays.binarySearch(lineStarts, at);
    return found >= 0 ? found + 1 : -found - 1;
  }

  /** The first line after {@code number} that is not empty. */
  int lineAfter(long number) {
    return number < lineStarts.length ? lineAtOrAfter(lineStarts[(int) number]) : lines();
  }

  private static boolean isLineEnd(char c) {
    return c == '\n' || c == '\r';
  }

  private static int[] lineStarts(String content) {
    int[] starts = new int[16];
    int count = 1;
    for (int i = 0; i < content.length(); i++) {
      char c = content.charAt(i);
      boolean crOfCrLf = c == '\r' && i + 1 < content.length() && content.charAt(i + 1) == '\n';
      if (isLineEnd(c) && !crOfCrLf) {
        if (count == starts.length) {
          starts = Arrays.copyOf(starts, 2 * count);
        }
        starts[count++] = i + 1;
      }
    }
    return Arrays.copyOf(starts, count);
  }
}
