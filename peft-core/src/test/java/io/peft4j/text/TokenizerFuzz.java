package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Opens mutated tokenizers and encodes with them, in a process of its own: prints the number of
 * each mutant before it is tried, and what it came to if that is not an exception that it may be.
 */
final class TokenizerFuzz {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> BASES =
      List.of("bert", "gpt2", "neox", "qwen", "roberta", "llama", "gemma", "unigram");
  private static final List<String> TEXTS =
      List.of(
          "",
          " ",
          "The Food was GOOD",
          "Café 你好 😀 <mask>[SEP]\n\n x",
          "a".repeat(300) + "b",
          "\0\ud800");

  private TokenizerFuzz() {}

  /** Arguments: seed, first mutant, one behind the last, a folder to work in. */
  public static void main(String[] arguments) throws IOException {
    Path folder = Path.of(arguments[3]);
    List<JsonNode> bases = new ArrayList<>();
    for (String name : BASES) {
      bases.add(Golden.json("tokenizers/" + name + ".json"));
    }
    int accepted = 0;
    int last = Integer.parseInt(arguments[2]);
    for (int i = Integer.parseInt(arguments[1]); i < last; i++) {
      System.out.println("mutant " + i);
      Random random = new Random(Long.parseLong(arguments[0]) * 1_000_003 + i);
      Files.write(folder.resolve("tokenizer.json"), mutant(bases, random));
      try {
        use(folder);
        accepted++;
      } catch (IllegalArgumentException | IOException e) {
        // as it should be
      } catch (Throwable e) {
        System.out.println("odd " + i + " " + e);
        e.printStackTrace(System.out);
      }
    }
    System.out.println("accepted " + accepted);
    System.exit(0);
  }

  private static void use(Path folder) throws IOException {
    try (CausalTokenizer causal = CausalTokenizer.load(folder, 1_000_000);
        TextTokenizer text = TextTokenizer.load(folder, 16, 1_000_000)) {
      for (String input : TEXTS) {
        try {
          causal.decode(causal.encode(input));
          causal.encodePlain(input);
          text.encode(input, input);
        } catch (IllegalArgumentException e) {
          // a text that this tokenizer cannot take
        }
      }
      causal.decode(new int[] {0, 1, 5, 99_999, 1 << 30});
    }
  }

  private static byte[] mutant(List<JsonNode> bases, Random random) throws IOException {
    ObjectNode tree = bases.get(random.nextInt(bases.size())).deepCopy();
    int kind = random.nextInt(10);
    if (kind < 8) {
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        mutate(tree, bases, random);
      }
    }
    byte[] bytes = JSON.writeValueAsBytes(tree);
    if (kind == 8) {
      return java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length));
    }
    for (int n = kind == 9 ? 1 + random.nextInt(5) : 0; n > 0; n--) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
    }
    return bytes;
  }

  /** Goes down a random way, rarely into the long lists of the vocabulary, and changes one node. */
  private static void mutate(ObjectNode tree, List<JsonNode> bases, Random random) {
    JsonNode parent = tree;
    while (true) {
      List<String> names = new ArrayList<>();
      parent.fieldNames().forEachRemaining(names::add);
      boolean list = parent.isArray();
      int size = list ? parent.size() : names.size();
      if (size == 0) {
        return;
      }
      int place = random.nextInt(size);
      JsonNode child = list ? parent.get(place) : parent.get(names.get(place));
      if (child.isContainerNode() && !child.isEmpty() && random.nextInt(5) > 0) {
        parent = child;
        continue;
      }
      JsonNode value = random.nextInt(4) == 0 ? piece(bases, random) : value(child, random);
      if (list) {
        if (random.nextInt(6) == 0) {
          ((ArrayNode) parent).remove(place);
        } else {
          ((ArrayNode) parent).set(place, value);
        }
      } else if (random.nextInt(6) == 0) {
        ((ObjectNode) parent).remove(names.get(place));
      } else {
        ((ObjectNode) parent).set(names.get(place), value);
      }
      return;
    }
  }

  /** A part of another tokenizer. */
  private static JsonNode piece(List<JsonNode> bases, Random random) {
    List<String> parts =
        List.of(
            "normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens", "model");
    JsonNode node = bases.get(random.nextInt(bases.size())).get(parts.get(random.nextInt(6)));
    return node.deepCopy();
  }

  private static JsonNode value(JsonNode old, Random random) {
    JsonNodeFactory make = JsonNodeFactory.instance;
    List<String> texts =
        List.of(
            "",
            "é",
            "##",
            "A",
            "▁",
            "(a+)+$",
            "a*a*b",
            "[",
            "\\s+",
            " {2,}",
            "(?<=a)b",
            "AAAA",
            "Sequence",
            "Split",
            "FixedLength",
            "Metaspace",
            "ByteLevel",
            "NFKC",
            "Precompiled",
            "Strip",
            "CTC",
            "WordLevel",
            "Unigram",
            "BPE",
            "WordPiece",
            "[UNK]",
            "\ud800",
            "\0");
    return switch (random.nextInt(8)) {
      case 0 -> make.nullNode();
      case 1 -> make.booleanNode(random.nextBoolean());
      case 2 ->
          make.numberNode(List.of(0, -1, 1, 2, 300, Integer.MAX_VALUE).get(random.nextInt(6)));
      case 3 -> make.numberNode(List.of(1e300, -0.5, 1e18, 4294967296.0).get(random.nextInt(4)));
      case 4 -> make.textNode("x".repeat(random.nextInt(3000)));
      case 5 -> make.arrayNode().add(old);
      case 6 -> make.objectNode().set("type", old);
      default -> make.textNode(texts.get(random.nextInt(texts.size())));
    };
  }
}
