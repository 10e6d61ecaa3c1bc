package io.peft4j.gguf;

import io.peft4j.io.AtomicFiles;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
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
 * Writes GGUF version 3: a header, key-value pairs, descriptions of the tensors, and their data,
 * each aligned to 32 bytes; all little-endian (ggml's docs/gguf.md). Only float32 tensors.
 */
final class GgufWriter {

  private static final int VERSION = 3;
  private static final int ALIGNMENT = 32;
  private static final int TYPE_UINT32 = 4;
  private static final int TYPE_FLOAT32 = 6;
  private static final int TYPE_STRING = 8;
  private static final int TENSOR_F32 = 0;

  /** A matrix, row-major. */
  private record Matrix(String name, int rows, int columns, float[] values) {
    long bytes() {
      return (long) Float.BYTES * values.length;
    }
  }

  private final Map<String, Object> pairs = new LinkedHashMap<>();
  private final List<Matrix> tensors = new ArrayList<>();

  GgufWriter put(String key, String value) {
    pairs.put(key, value);
    return this;
  }

  GgufWriter put(String key, float value) {
    pairs.put(key, value);
    return this;
  }

  /**
   * @param values row-major, {@code rows · columns} of them
   */
  void add(String name, int rows, int columns, float[] values) {
    if (values.length != (long) rows * columns) {
      throw new IllegalArgumentException(
          name + ": expected " + rows + " x " + columns + " numbers, found " + values.length);
    }
    tensors.add(new Matrix(name, rows, columns, values));
  }

  /** Writes the file, whole or not at all. */
  void write(Path file) throws IOException {
    AtomicFiles.write(
        file,
        temporary -> {
          try (OutputStream out = Files.newOutputStream(temporary)) {
            byte[] head = head();
            out.write(head);
            pad(out, head.length);
            for (Matrix tensor : tensors) {
              out.write(bytes(tensor.values));
              pad(out, tensor.bytes());
            }
          }
        });
  }

  private byte[] head() throws IOException {
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    LittleEndian out = new LittleEndian(new DataOutputStream(head));
    head.write("GGUF".getBytes(StandardCharsets.US_ASCII));
    out.int32(VERSION);
    out.int64(tensors.size());
    out.int64(pairs.size() + 1);
    out.text("general.alignment");
    out.int32(TYPE_UINT32);
    out.int32(ALIGNMENT);
    for (Map.Entry<String, Object> pair : pairs.entrySet()) {
      out.text(pair.getKey());
      if (pair.getValue() instanceof Float number) {
        out.int32(TYPE_FLOAT32);
        out.int32(Float.floatToRawIntBits(number));
      } else {
        out.int32(TYPE_STRING);
        out.text(pair.getValue().toString());
      }
    }
    long offset = 0;
    for (Matrix tensor : tensors) {
      out.text(tensor.name);
      out.int32(2);
      out.int64(tensor.columns); // dimensions from the fastest on
      out.int64(tensor.rows);
      out.int32(TENSOR_F32);
      out.int64(offset);
      offset += aligned(tensor.bytes());
    }
    return head.toByteArray();
  }

  private static long aligned(long length) {
    return (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  private static void pad(OutputStream out, long length) throws IOException {
    out.write(new byte[(int) (aligned(length) - length)]);
  }

  private static byte[] bytes(float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }

  /** What {@link DataOutputStream} writes in the other order. */
  private record LittleEndian(DataOutputStream out) {
    void int32(int value) throws IOException {
      out.writeInt(Integer.reverseBytes(value));
    }

    void int64(long value) throws IOException {
      out.writeLong(Long.reverseBytes(value));
    }

    void text(String value) throws IOException {
      byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
      int64(bytes.length);
      out.write(bytes);
    }
  }
}
