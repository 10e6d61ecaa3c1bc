package io.peft4j.cli.importer;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Reads an uncompressed LevelDB table, the form of a TensorFlow checkpoint's index: blocks of
 * prefix-compressed entries, an index block that points to them, and a footer that points to that.
 * See <a
 * href="https://github.com/google/leveldb/blob/main/doc/table_format.md">table_format.md</a>.
 */
final class LevelDbTable {

  private static final long MAGIC = 0xdb4775248b80fb57L;
  private static final int FOOTER = 48;

  private final String file;
  private final ByteBuffer bytes;

  private LevelDbTable(String file, ByteBuffer bytes) {
    this.file = file;
    this.bytes = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * All entries, in the table's order.
   *
   * @param file the file's name, for messages
   * @throws IllegalArgumentException if it is no such table, is compressed, or fails its checksums
   */
  static Map<String, ByteBuffer> read(String file, ByteBuffer bytes) {
    try {
      return new LevelDbTable(file, bytes).readAll();
    } catch (IndexOutOfBoundsException | BufferUnderflowException e) {
      throw new IllegalArgumentException(
          file + ": expected a LevelDB table, found one whose lengths lead out of the file", e);
    }
  }

  private Map<String, ByteBuffer> readAll() {
    if (bytes.limit() < FOOTER || bytes.getLong(bytes.limit() - Long.BYTES) != MAGIC) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected a LevelDB table, found %d bytes without its signature at the end",
              file,
              bytes.limit()));
    }
    ByteBuffer footer = bytes.duplicate().position(bytes.limit() - FOOTER);
    readVarint(footer); // where the meta block is: it holds filters, of no use here
    readVarint(footer);
    Map<String, ByteBuffer> entries = new LinkedHashMap<>();
    for (ByteBuffer handle : readBlock(footer).values()) {
      entries.putAll(readBlock(handle));
    }
    return entries;
  }

  /** Reads the block that {@code handle}, an offset and a size, points to. */
  private Map<String, ByteBuffer> readBlock(ByteBuffer handle) {
    int offset = readVarint(handle);
    int size = readVarint(handle);
    ByteBuffer checked = bytes.slice(offset, size + 1);
    int expected = bytes.getInt(offset + size + 1);
    if (maskedCrc(checked) != expected) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected the checksum %08x for the block at %d, found %08x",
              file,
              expected,
              offset,
              maskedCrc(checked)));
    }
    if (checked.get(size) != 0) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected an uncompressed block at %d, found compression type %d",
              file,
              offset,
              checked.get(size)));
    }
    // behind the entries stand the offsets of those with whole keys, and their number
    ByteBuffer block = checked.slice(0, size).order(ByteOrder.LITTLE_ENDIAN);
    int restarts = block.getInt(size - Integer.BYTES);
    block.limit(size - Math.multiplyExact(Math.addExact(restarts, 1), Integer.BYTES));

    Map<String, ByteBuffer> entries = new LinkedHashMap<>();
    byte[] key = new byte[0];
    while (block.hasRemaining()) {
      int shared = readVarint(block);
      int rest = readVarint(block);
      int length = readVarint(block);
      byte[] next = Arrays.copyOf(key, shared + rest);
      block.get(next, shared, rest);
      key = next;
      entries.put(new String(key, StandardCharsets.UTF_8), block.slice(block.position(), length));
      block.position(block.position() + length);
    }
    return entries;
  }

  private int readVarint(ByteBuffer from) {
    long value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      byte next = from.get();
      value |= (long) (next & 0x7f) << shift;
      if (next >= 0) {
        // above that, nothing in an index can be right
        if (value > bytes.limit()) {
          break;
        }
        return (int) value;
      }
    }
    throw new IllegalArgumentException(
        String.format(
            Locale.ROOT,
            "%s: expected a length within the file's %d bytes, found more",
            file,
            bytes.limit()));
  }

  /** CRC-32C as LevelDB and TensorFlow store it: rotated, plus a constant. */
  static int maskedCrc(ByteBuffer bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes.duplicate());
    return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
  }
}
