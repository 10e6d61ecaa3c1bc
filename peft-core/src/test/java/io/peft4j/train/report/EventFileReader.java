package io.peft4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads event files by the format's description alone: the frame's sums are computed bit by bit and
 * the messages taken apart field by field, with nothing of the writer's code.
 */
final class EventFileReader {

  /** What one event holds; absent text is empty, an absent status 0. */
  record Event(
      double wallTime, long step, String fileVersion, int status, Map<String, Float> scalars) {}

  private EventFileReader() {}

  static List<Event> read(Path file) throws IOException {
    ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    List<Event> events = new ArrayList<>();
    while (in.hasRemaining()) {
      int start = in.position();
      long length = in.getLong();
      assertEquals(maskedCrc(in.array(), start, 8), in.getInt(), "checksum of the length");
      byte[] data = new byte[Math.toIntExact(length)];
      in.get(data);
      assertEquals(maskedCrc(data, 0, data.length), in.getInt(), "checksum of the data");
      events.add(event(ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN)));
    }
    return events;
  }

  static int maskedCrc(byte[] bytes, int offset, int length) {
    int crc = crc32c(bytes, offset, length);
    return ((crc >>> 15) | (crc << 17)) + 0xa282ead8;
  }

  /** CRC-32C by its reflected polynomial. */
  static int crc32c(byte[] bytes, int offset, int length) {
    int crc = -1;
    for (int i = offset; i < offset + length; i++) {
      crc ^= bytes[i] & 0xff;
      for (int bit = 0; bit < 8; bit++) {
        crc = (crc & 1) == 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
      }
    }
    return ~crc;
  }

  private static Event event(ByteBuffer in) {
    double wallTime = Double.NaN;
    long step = 0;
    String fileVersion = "";
    int status = 0;
    Map<String, Float> scalars = new LinkedHashMap<>();
    while (in.hasRemaining()) {
      int key = (int) varint(in);
      switch (key) {
        case 1 << 3 | 1 -> wallTime = in.getDouble();
        case 2 << 3 -> step = varint(in);
        case 3 << 3 | 2 -> fileVersion = text(in);
        case 5 << 3 | 2 -> summary(block(in), scalars);
        case 7 << 3 | 2 -> {
          ByteBuffer session = block(in);
          assertEquals(1 << 3, (int) varint(session));
          status = (int) varint(session);
          assertTrue(!session.hasRemaining());
        }
        default -> throw new AssertionError("unknown field key " + key);
      }
    }
    return new Event(wallTime, step, fileVersion, status, scalars);
  }

  private static void summary(ByteBuffer in, Map<String, Float> scalars) {
    while (in.hasRemaining()) {
      assertEquals(1 << 3 | 2, (int) varint(in));
      ByteBuffer value = block(in);
      assertEquals(1 << 3 | 2, (int) varint(value));
      String tag = text(value);
      assertEquals(2 << 3 | 5, (int) varint(value));
      scalars.put(tag, value.getFloat());
      assertTrue(!value.hasRemaining());
    }
  }

  private static ByteBuffer block(ByteBuffer in) {
    int length = (int) varint(in);
    ByteBuffer block = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
    in.position(in.position() + length);
    return block;
  }

  private static String text(ByteBuffer in) {
    return StandardCharsets.UTF_8.decode(block(in)).toString();
  }

  private static long varint(ByteBuffer in) {
    long value = 0;
    for (int shift = 0; ; shift += 7) {
      byte next = in.get();
      value |= (next & 0x7fL) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }
}
