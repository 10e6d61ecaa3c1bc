package io.peft4j.fuzz;

import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.util.RawValue;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/** Changes files: their bytes, and what they hold as JSON, lines or safetensors. */
public final class Mutator {

  private static final JsonMapper JSON =
      JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

  /** Numbers, as JSON has them or nearly so, that programs stumble over. */
  private static final List<String> NUMBERS =
      List.of(
          "0",
          "-1",
          "1",
          "2",
          "3",
          "7",
          "300",
          "65536",
          "2147483647",
          "-2147483648",
          "2147483648",
          "4294967297",
          "9223372036854775807",
          "-9223372036854775808",
          "1e300",
          "-0.5",
          "0.5",
          "-0.0",
          "1e-320",
          "1e18",
          "1e1000000000",
          "9".repeat(400),
          "NaN",
          "-Infinity",
          "1.0",
          "3.0");

  private static final List<String> TEXTS =
      List.of(
          "",
          " ",
          "\0",
          "\n",
          "é",
          "\ud800",
          "😀",
          "(a+)+$",
          "[",
          "(?!x).*",
          "a.b",
          ".*",
          "/",
          "..",
          "../../etc/passwd",
          "/etc/passwd",
          "C:\\x",
          "%s%n%d",
          "${x}",
          "null",
          "true",
          "NaN",
          "-1",
          "1e9",
          "F32",
          "BF16",
          "auto",
          "all-linear",
          "weight",
          "0",
          "float32",
          "torch.bfloat16");

  private final Random random;

  public Mutator(Random random) {
    this.random = random;
  }

  /** {@return the contents of the files in {@code folder} and its folders, by name} */
  public static Map<String, byte[]> files(Path folder) throws IOException {
    Map<String, byte[]> files = new LinkedHashMap<>();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).sorted().toList()) {
        files.put(folder.relativize(file).toString().replace('\\', '/'), Files.readAllBytes(file));
      }
    }
    return files;
  }

  public <T> T pick(List<T> list) {
    return list.get(random.nextInt(list.size()));
  }

  /**
   * {@return {@code base}, with one file changed, rarely two, or one missing, or one that another
   * base has under its name}
   */
  public Map<String, byte[]> folder(Map<String, byte[]> base, List<Map<String, byte[]>> bases)
      throws IOException {
    Map<String, byte[]> files = new LinkedHashMap<>(base);
    for (int n = random.nextInt(8) == 0 ? 2 : 1; n > 0 && !files.isEmpty(); n--) {
      String name = pick(List.copyOf(files.keySet()));
      byte[] other = pick(bases).getOrDefault(name, files.get(name));
      switch (random.nextInt(30)) {
        case 0 -> files.remove(name);
        case 1 -> files.put(name, other);
        default -> {
          // what is changed already may be no JSON or safetensors any more
          boolean whole = files.get(name) == base.get(name);
          byte[] content = files.get(name);
          files.put(name, whole ? file(name, content, other) : bytes(content, other));
        }
      }
    }
    return files;
  }

  /**
   * {@return {@code content}, changed}
   *
   * @param name says what it is
   * @param other from which a piece may be taken
   */
  public byte[] file(String name, byte[] content, byte[] other) throws IOException {
    if (random.nextInt(4) == 0) {
      return bytes(content, other);
    }
    if (name.endsWith(".json")) {
      return json(content);
    }
    if (name.endsWith(".safetensors")) {
      return random.nextInt(4) == 0
          ? bytes(content, other)
          : new MutatedTensors(this, random, content).next();
    }
    return name.endsWith(".jsonl") ? lines(content, true) : lines(content, false);
  }

  /** {@return {@code content} with bytes changed, put in, left out or taken from {@code other}} */
  public byte[] bytes(byte[] content, byte[] other) {
    byte[] bytes = content.clone();
    for (int n = 1 + random.nextInt(3); n > 0; n--) {
      int at = random.nextInt(bytes.length + 1);
      int length = 1 + random.nextInt(random.nextInt(4) == 0 ? 4000 : 8);
      int to = Math.min(bytes.length, at + length);
      byte[] piece = Arrays.copyOfRange(bytes, at, to);
      bytes =
          switch (random.nextInt(7)) {
            case 0 -> replaced(bytes, at, Math.min(at + 1, bytes.length), randomBytes(1));
            case 1 -> replaced(bytes, at, at, randomBytes(length));
            case 2 -> replaced(bytes, at, to, new byte[0]);
            case 3 -> Arrays.copyOf(bytes, at);
            case 4 -> replaced(bytes, at, at, piece);
            case 5 -> flipped(bytes, at);
            default -> spliced(bytes, at, to, other);
          };
    }
    return bytes;
  }

  private byte[] spliced(byte[] bytes, int from, int to, byte[] other) {
    int start = random.nextInt(other.length + 1);
    int end = Math.min(other.length, start + 1 + random.nextInt(100));
    return replaced(bytes, from, to, Arrays.copyOfRange(other, start, end));
  }

  private byte[] flipped(byte[] bytes, int at) {
    if (at < bytes.length) {
      bytes[at] ^= (byte) (1 << random.nextInt(8));
    }
    return bytes;
  }

  private byte[] randomBytes(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    if (random.nextBoolean()) {
      Arrays.fill(
          bytes,
          (byte)
              pick(List.of(0, 10, 13, 9, 32, 34, 44, 45, 48, 58, 91, 92, 93, 123, 125)).intValue());
    }
    return bytes;
  }

  private static byte[] replaced(byte[] bytes, int from, int to, byte[] by) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(bytes, 0, from);
    out.writeBytes(by);
    out.write(bytes, to, bytes.length - to);
    return out.toByteArray();
  }

  /** {@return lines, of which one or two are changed, twice there, or elsewhere} */
  private byte[] lines(byte[] content, boolean json) throws IOException {
    List<String> lines =
        new ArrayList<>(List.of(new String(content, StandardCharsets.UTF_8).split("\n", -1)));
    for (int n = 1 + random.nextInt(2); n > 0; n--) {
      int at = random.nextInt(lines.size());
      String line = lines.get(at);
      switch (random.nextInt(json ? 12 : 6)) {
        case 0 -> lines.add(random.nextInt(lines.size()), line);
        case 1 -> lines.set(at, pick(TEXTS));
        case 2 -> lines.set(at, line.repeat(random.nextInt(20)));
        case 3 ->
            lines.set(at, line + pick(List.of("\t", ",", "\"", "\r", "\u2028", "\ufeff", " x")));
        case 4 -> lines.set(at, line.replaceFirst("[0-9]+", pick(NUMBERS)));
        default -> lines.set(at, json && !line.isBlank() ? changed(line) : line + pick(TEXTS));
      }
    }
    return String.join("\n", lines).getBytes(StandardCharsets.UTF_8);
  }

  private String changed(String json) throws IOException {
    return new String(json(json.getBytes(StandardCharsets.UTF_8)), StandardCharsets.UTF_8);
  }

  /** {@return JSON of which one to three values or keys are changed} */
  public byte[] json(byte[] content) throws IOException {
    JsonNode tree;
    try {
      tree = JSON.readTree(content);
    } catch (IOException e) {
      return bytes(content, content);
    }
    for (int n = 1 + random.nextInt(3); n > 0; n--) {
      if (random.nextInt(40) == 0 || !tree.isContainerNode()) {
        tree = value(tree);
      } else {
        change(tree);
      }
    }
    byte[] bytes = JSON.writeValueAsBytes(tree);
    return random.nextInt(30) == 0 ? withKeyTwice(tree, bytes) : bytes;
  }

  private byte[] withKeyTwice(JsonNode tree, byte[] bytes) throws IOException {
    List<String> names = new ArrayList<>();
    tree.fieldNames().forEachRemaining(names::add);
    if (names.isEmpty()) {
      return bytes;
    }
    String name = pick(names);
    String second = "{" + JSON.writeValueAsString(name) + ":" + value(tree.get(name)) + ",";
    return replaced(bytes, 0, 1, second.getBytes(StandardCharsets.UTF_8));
  }

  /** Goes down a random way and changes what is there. */
  private void change(JsonNode tree) {
    JsonNode parent = tree;
    while (true) {
      List<String> names = new ArrayList<>();
      parent.fieldNames().forEachRemaining(names::add);
      int size = parent.size();
      if (size == 0) {
        return;
      }
      int place = random.nextInt(size);
      JsonNode child = parent.isArray() ? parent.get(place) : parent.get(names.get(place));
      if (child.isContainerNode() && !child.isEmpty() && random.nextInt(4) > 0) {
        parent = child;
      } else if (parent instanceof ArrayNode array) {
        changeElement(array, place);
        return;
      } else {
        changeKey((ObjectNode) parent, names.get(place), pick(names));
        return;
      }
    }
  }

  private void changeElement(ArrayNode array, int place) {
    switch (random.nextInt(5)) {
      case 0 -> array.remove(place);
      case 1 -> array.insert(place, array.get(place));
      default -> array.set(place, value(array.get(place)));
    }
  }

  private void changeKey(ObjectNode object, String key, String other) {
    switch (random.nextInt(8)) {
      case 0 -> object.remove(key);
      case 1 -> {
        JsonNode value = object.get(key);
        object.set(key, object.get(other));
        object.set(other, value);
      }
      case 2 -> object.set(pick(TEXTS), object.get(key));
      default -> object.set(key, value(object.get(key)));
    }
  }

  /** {@return something else in the place of {@code old}} */
  JsonNode value(JsonNode old) {
    JsonNodeFactory make = JsonNodeFactory.instance;
    return switch (random.nextInt(13)) {
      case 0 -> make.nullNode();
      case 1 -> make.booleanNode(random.nextBoolean());
      case 2, 3, 4, 5 -> raw(pick(NUMBERS));
      case 6 -> make.arrayNode();
      case 7 -> make.objectNode();
      case 8 -> make.arrayNode().add(old);
      case 9 -> make.objectNode().set(pick(TEXTS), old);
      case 10 -> deep();
      case 11 -> make.textNode("x".repeat(random.nextInt(100_000)));
      default -> make.textNode(pick(TEXTS));
    };
  }

  private JsonNode deep() {
    int depth = pick(List.of(50, 990, 100_000));
    return random.nextBoolean()
        ? raw("[".repeat(depth) + "]".repeat(depth))
        : raw("{\"a\":".repeat(depth) + "1" + "}".repeat(depth));
  }

  private static JsonNode raw(String text) {
    return JsonNodeFactory.instance.rawValueNode(new RawValue(text));
  }
}
