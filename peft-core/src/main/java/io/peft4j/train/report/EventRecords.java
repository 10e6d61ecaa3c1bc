package io.peft4j.train.report;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * TensorBoard's {@code Event} messages ({@code tensorflow/core/util/event.proto}, {@code
 * framework/summary.proto}) in protocol-buffer wire format, and the TFRecord frame around each.
 */
final class EventRecords {

  /** Field numbers of {@code Event}. */
  private static final int WALL_TIME = 1;

  private static final int STEP = 2;
  private static final int FILE_VERSION = 3;
  private static final int SUMMARY = 5;
  private static final int SESSION_LOG = 7;

  /** {@code Summary.value}; {@code Summary.Value.tag} and {@code simple_value}. */
  private static final int VALUE = 1;

  private static final int TAG = 1;
  private static final int SIMPLE_VALUE = 2;

  /** {@code SessionLog.status} and its value {@code START}. */
  private static final int STATUS = 1;

  private static final int START = 1;

  private EventRecords() {}

  /** The first event of a file. */
  static byte[] fileVersion(double wallTime) {
    return new Message().fixed64(WALL_TIME, wallTime).text(FILE_VERSION, "brain.Event:2").bytes();
  }

  /** Tells readers that events of {@code step} and later, written before this one, are void. */
  static byte[] sessionStart(double wallTime, long step) {
    Message session = new Message().varint(STATUS, START);
    return new Message()
        .fixed64(WALL_TIME, wallTime)
        .varint(STEP, step)
        .message(SESSION_LOG, session)
        .bytes();
  }

  /** Values by tag at one step. */
  static byte[] scalars(double wallTime, long step, Map<String, Double> values) {
    Message summary = new Message();
    values.forEach(
        (tag, value) ->
            summary.message(
                VALUE, new Message().text(TAG, tag).fixed32(SIMPLE_VALUE, value.floatValue())));
    return new Message()
        .fixed64(WALL_TIME, wallTime)
        .varint(STEP, step)
        .message(SUMMARY, summary)
        .bytes();
  }

  /**
   * A TFRecord, little-endian: length (8 bytes), masked CRC of the length (4), the data, masked CRC
   * of the data (4).
   */
  static byte[] frame(byte[] data) {
    ByteBuffer record = ByteBuffer.allocate(16 + data.length).order(ByteOrder.LITTLE_ENDIAN);
    record.putLong(data.length);
    record.putInt(maskedCrc(record.array(), 0, 8));
    record.put(data);
    record.putInt(maskedCrc(data, 0, data.length));
    return record.array();
  }

  /** CRC-32C, rotated and offset so that a CRC of data that holds CRCs stays a good check. */
  static int maskedCrc(byte[] bytes, int offset, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, offset, length);
    return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
  }

  /** The few wire types that events need. */
  private static final class Message {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int LENGTH_DELIMITED = 2;
    private static final int FIXED32 = 5;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Message varint(int field, long value) {
      key(field, VARINT);
      raw(value);
      return this;
    }

    Message fixed64(int field, double value) {
      key(field, FIXED64);
      out.writeBytes(littleEndian(8).putDouble(value).array());
      return this;
    }

    Message fixed32(int field, float value) {
      key(field, FIXED32);
      out.writeBytes(littleEndian(4).putFloat(value).array());
      return this;
    }

    Message text(int field, String value) {
      return block(field, value.getBytes(StandardCharsets.UTF_8));
    }

    Message message(int field, Message value) {
      return block(field, value.bytes());
    }

    byte[] bytes() {
      return out.toByteArray();
    }

    private Message block(int field, byte[] content) {
      key(field, LENGTH_DELIMITED);
      raw(content.length);
      out.writeBytes(content);
      return this;
    }

    private void key(int field, int wireType) {
      raw((long) field << 3 | wireType);
    }

    /** Seven bits a byte, the lowest first, the top bit set on all but the last. */
    private void raw(long value) {
      long rest = value;
      while ((rest & ~0x7fL) != 0) {
        out.write((int) (rest & 0x7f | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }

    private static ByteBuffer littleEndian(int size) {
      return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }
  }
}
