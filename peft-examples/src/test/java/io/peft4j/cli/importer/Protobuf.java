package io.peft4j.cli.importer;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Builds small protobuf messages by field number. */
final class Protobuf {

  private final UnknownFieldSet.Builder fields = UnknownFieldSet.newBuilder();

  static Protobuf message() {
    return new Protobuf();
  }

  Protobuf number(int field, long... values) {
    UnknownFieldSet.Field.Builder builder = UnknownFieldSet.Field.newBuilder();
    for (long value : values) {
      builder.addVarint(value);
    }
    fields.mergeField(field, builder.build());
    return this;
  }

  Protobuf fixed32(int field, int value) {
    fields.mergeField(field, UnknownFieldSet.Field.newBuilder().addFixed32(value).build());
    return this;
  }

  Protobuf bytes(int field, byte[] value) {
    fields.mergeField(
        field,
        UnknownFieldSet.Field.newBuilder().addLengthDelimited(ByteString.copyFrom(value)).build());
    return this;
  }

  Protobuf text(int field, String value) {
    return bytes(field, value.getBytes(StandardCharsets.UTF_8));
  }

  Protobuf message(int field, Protobuf value) {
    return bytes(field, value.toByteArray());
  }

  byte[] toByteArray() {
    return fields.build().toByteArray();
  }

  /** An ONNX TensorProto of floats counting up from {@code first}. */
  static Protobuf floats(String name, float first, Long... shape) {
    int count = (int) List.of(shape).stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b);
    ByteBuffer data = ByteBuffer.allocate(count * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      data.putFloat(first + i);
    }
    Protobuf tensor = message().number(2, 1).text(8, name).bytes(9, data.array());
    for (long dimension : shape) {
      tensor.number(1, dimension);
    }
    return tensor;
  }
}
