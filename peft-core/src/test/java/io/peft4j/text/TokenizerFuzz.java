package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.fuzz.FuzzKind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Mutated tokenizers: opens them and encodes with them. */
public final class TokenizerFuzz implements FuzzKind {

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

  private final List<JsonNode> bases = new ArrayList<>();

  public TokenizerFuzz() {
    for (String name : BASES) {
      bases.add(Golden.json("tokenizers/" + name + ".json"));
    }
  }

  @Override
  public Map<String, byte[]> mutant(Random random) throws IOException {
    return Map.of("tokenizer.json", mutant(bases, random));
  }

  @Override
  public void use(Path folder) throws IOException {
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
