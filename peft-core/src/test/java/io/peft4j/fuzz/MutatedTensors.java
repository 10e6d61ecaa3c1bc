package io.peft4j.fuzz;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Changes a safetensors file whose parts still fit together, or whose header is wrong. */
final class MutatedTensors {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> TYPES =
      List.of(
          "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "C64");
  private static final List<Integer> BITS =
      List.of(0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 0x80000000, 1, -1, 0);

  private final Mutator mutator;
  private final Random random;
  private final ObjectNode header;
  private byte[] data;

  MutatedTensors(Mutator mutator, Random random, byte[] file) throws IOException {
    this.mutator = mutator;
    this.random = random;
    int length = (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    this.header = (ObjectNode) JSON.readTree(file, 8, length);
    this.data = Arrays.copyOfRange(file, 8 + length, file.length);
  }

  byte[] next() throws IOException {
    List<String> names = new ArrayList<>();
    header.fieldNames().forEachRemaining(names::add);
    names.remove("__metadata__");
    String name = mutator.pick(names);
    ObjectNode tensor = (ObjectNode) header.get(name);
    ArrayNode shape = (ArrayNode) tensor.get("shape");
    switch (random.nextInt(13)) {
      case 0 -> remove(name, names);
      case 1 -> rename(name, mutator.pick(names) + mutator.pick(List.of("", ".", "x", ".weight")));
      case 2 ->
          rename(
              name,
              name.replaceFirst("[0-9]+", mutator.pick(List.of("9", "99999999999", "-1", ""))));
      case 3 -> turn(shape);
      case 4 -> shape.add(mutator.pick(List.of(0L, 1L, 2L, Long.MAX_VALUE)));
      case 5 -> tensor.put("dtype", mutator.pick(TYPES));
      case 6 -> shrink(tensor, shape);
      case 7 -> numbers();
      case 8 -> swap(name, mutator.pick(names));
      case 9 -> empty(name, names);
      default -> {
        return file(mutator.json(JSON.writeValueAsBytes(header)));
      }
    }
    return file(JSON.writeValueAsBytes(header));
  }

  /** The bytes behind it move up, as a writer without the tensor would have it. */
  private void remove(String name, List<String> names) {
    int from = header.get(name).get("data_offsets").get(0).asInt();
    int to = header.get(name).get("data_offsets").get(1).asInt();
    header.remove(name);
    for (String other : names) {
      if (header.get(other) instanceof ObjectNode tensor
          && tensor.get("data_offsets").get(0).asInt() >= to) {
        int begin = tensor.get("data_offsets").get(0).asInt() - (to - from);
        int end = tensor.get("data_offsets").get(1).asInt() - (to - from);
        tensor.putArray("data_offsets").add(begin).add(end);
      }
    }
    byte[] rest = Arrays.copyOf(data, data.length - (to - from));
    System.arraycopy(data, to, rest, from, data.length - to);
    data = rest;
  }

  /** No bytes, whatever the other extents. */
  private void empty(String name, List<String> names) {
    JsonNode type = header.get(name).get("dtype");
    remove(name, names);
    ObjectNode tensor = header.putObject(name);
    tensor.set("dtype", type);
    long extent =
        mutator.pick(List.of(0L, 1L, 2L, 65536L, 2147483647L, 2147483648L, Long.MAX_VALUE));
    ArrayNode shape = tensor.putArray("shape");
    if (random.nextBoolean()) {
      shape.add(extent).add(0);
    } else {
      shape.add(0).add(extent);
    }
    tensor.putArray("data_offsets").add(0).add(0);
  }

  private void rename(String name, String to) {
    JsonNode tensor = header.remove(name);
    header.set(to, tensor);
  }

  private void swap(String one, String other) {
    JsonNode tensor = header.get(one);
    header.set(one, header.get(other));
    header.set(other, tensor);
  }

  /** As many elements in another shape. */
  private static void turn(ArrayNode shape) {
    if (shape.size() == 2) {
      shape.insert(0, shape.remove(1));
    } else {
      shape.insert(0, 1);
    }
  }

  /** As many bytes, but fewer or more elements. */
  private void shrink(ObjectNode tensor, ArrayNode shape) {
    boolean halves = shape.size() > 0 && random.nextBoolean();
    tensor.put(
        "dtype", mutator.pick(halves ? List.of("F64", "I64") : List.of("F16", "BF16", "I8")));
    int bytes =
        tensor.get("data_offsets").get(1).asInt() - tensor.get("data_offsets").get(0).asInt();
    int size = halves ? 8 : tensor.get("dtype").asText().equals("I8") ? 1 : 2;
    tensor.putArray("shape").add(bytes / size);
  }

  /** Numbers that are none, too large, or no letter of a text that bytes hold. */
  private void numbers() {
    ByteBuffer buffer = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    for (int n = 1 + random.nextInt(4); n > 0 && data.length >= 4; n--) {
      buffer.putInt(random.nextInt(data.length / 4) * 4, mutator.pick(BITS));
    }
  }

  private byte[] file(byte[] json) {
    ByteBuffer prefix =
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, json.length);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(prefix.array());
    out.writeBytes(json);
    out.writeBytes(data);
    return out.toByteArray();
  }
}
