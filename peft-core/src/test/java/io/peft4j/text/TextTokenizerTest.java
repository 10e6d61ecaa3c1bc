package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.data.Example;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextTokenizerTest {

  private static final String BERT = "encoders/bert";
  private static final int VOCABULARY = 120;

  @TempDir Path temp;

  private static TextTokenizer bert(int maxLength) throws IOException {
    return TextTokenizer.load(Golden.path(BERT), maxLength, VOCABULARY);
  }

  private static void check(JsonNode expected, Tokens found) {
    assertArrayEquals(Golden.ints(expected.get("input_ids")), found.ids(), expected.toString());
    assertArrayEquals(
        Golden.ints(expected.get("token_type_ids")), found.types(), expected.toString());
  }

  private static Example example(JsonNode golden) {
    JsonNode pair = golden.get("text_pair");
    return new Example(golden.get("text").asText(), pair == null ? null : pair.asText(), null, 1);
  }

  @Test
  void equalsTransformers() throws IOException {
    JsonNode golden = Golden.json(BERT + "/tokens.json");
    List<JsonNode> cases = new ArrayList<>();
    golden.get("texts").forEach(cases::add);
    golden.get("pairs").forEach(cases::add);
    try (TextTokenizer tokenizer = bert(64)) {
      for (JsonNode text : cases) {
        Tokens tokens = tokenizer.encode(example(text).text(), example(text).textPair());
        check(text, tokens);
        assertFalse(tokens.truncated());
      }
      // singles and pairs mixed, in their order
      List<Tokens> all =
          tokenizer.encodeAll(cases.stream().map(TextTokenizerTest::example).toList());
      for (int i = 0; i < cases.size(); i++) {
        check(cases.get(i), all.get(i));
      }
      assertEquals(0, Tokens.countTruncated(all));
    }
  }

  @Test
  void truncatesLikeTransformersAndCounts() throws IOException {
    for (JsonNode text : Golden.json(BERT + "/tokens.json").get("truncated")) {
      try (TextTokenizer tokenizer = bert(text.get("max_length").asInt())) {
        Example example = example(text);
        List<Tokens> all = tokenizer.encodeAll(List.of(example, new Example("a", null, null, 2)));
        check(text, all.get(0));
        assertEquals(1, Tokens.countTruncated(all));
      }
    }
  }

  @Test
  void textToLogitsEqualsTransformers() throws IOException {
    JsonNode golden = Golden.json(BERT + "/text-logits.json");
    try (Model model = Model.load(Golden.path(BERT), LoadOptions.DEFAULT);
        TextTokenizer tokenizer = TextTokenizer.of(Golden.path(BERT), model)) {
      List<Example> examples = new ArrayList<>();
      for (JsonNode input : golden.get("inputs")) {
        String second = input.size() == 2 ? input.get(1).asText() : null;
        examples.add(new Example(input.get(0).asText(), second, null, 1));
      }
      try (TokenBatch batch =
          model.batch(
              tokenizer.encodeAll(examples).stream()
                  .map(tokens -> model.sequence(tokens.ids(), tokens.types()))
                  .toList())) {
        double distance = Golden.distance(Golden.matrix(golden.get("logits")), model.logits(batch));
        System.out.printf(Locale.ROOT, "text to logits: largest difference %.1e%n", distance);
        assertTrue(distance < 1e-5, () -> "distance " + distance);
      }
    }
  }

  /** The files of Java's embedding libraries pad to 128: that must not reach the model. */
  @Test
  void ignoresPaddingAndTruncationOfTheFile() throws IOException {
    ObjectMapper json = new ObjectMapper();
    ObjectNode file =
        (ObjectNode) json.readTree(Golden.path(BERT).resolve("tokenizer.json").toFile());
    file.putObject("padding")
        .put("direction", "Right")
        .put("pad_id", 0)
        .put("pad_type_id", 0)
        .put("pad_token", "[PAD]")
        .putNull("pad_to_multiple_of")
        .putObject("strategy")
        .put("Fixed", 32);
    file.putObject("truncation")
        .put("direction", "Right")
        .put("max_length", 4)
        .put("strategy", "LongestFirst")
        .put("stride", 0);
    json.writeValue(temp.resolve("tokenizer.json").toFile(), file);
    try (TextTokenizer tokenizer = TextTokenizer.load(temp, 64, VOCABULARY)) {
      check(
          Golden.json(BERT + "/tokens.json").get("texts").get(0),
          tokenizer.encode("The pump works."));
    }
  }

  @Test
  void vocabTxtAloneServesForBert() throws IOException {
    JsonNode vocabulary = Golden.json(BERT + "/tokenizer.json").get("model").get("vocab");
    TreeMap<Integer, String> byId = new TreeMap<>();
    vocabulary.properties().forEach(entry -> byId.put(entry.getValue().asInt(), entry.getKey()));
    Files.write(temp.resolve("vocab.txt"), byId.values());
    JsonNode golden = Golden.json(BERT + "/tokens.json");
    try (TextTokenizer tokenizer = TextTokenizer.load(temp, 64, VOCABULARY)) {
      for (String kind : List.of("texts", "pairs")) {
        for (JsonNode text : golden.get(kind)) {
          check(text, tokenizer.encode(example(text).text(), example(text).textPair()));
        }
      }
    }
    Files.writeString(temp.resolve("tokenizer_config.json"), "{\"do_lower_case\": false}");
    try (TextTokenizer cased = TextTokenizer.load(temp, 64, VOCABULARY)) {
      assertArrayEquals(new int[] {2, 1, 25, 3}, cased.encode("PUMP pump").ids());
    }
    Files.writeString(temp.resolve("vocab.txt"), "a\nb\n");
    check(
        IllegalArgumentException.class,
        () -> TextTokenizer.load(temp, 64, VOCABULARY),
        "vocab.txt",
        "[UNK]");
  }

  @Test
  void saysWhatIsWrong() throws IOException {
    check(
        NoSuchFileException.class,
        () -> TextTokenizer.load(temp, 64, VOCABULARY),
        temp.toString(),
        "tokenizer.json",
        "vocab.txt");
    Files.writeString(temp.resolve("tokenizer.json"), "{\"model\": 1");
    check(
        IllegalArgumentException.class,
        () -> TextTokenizer.load(temp, 64, VOCABULARY),
        "tokenizer.json",
        "not a tokenizer");
    check(IllegalArgumentException.class, () -> bert(2), "2 special tokens", "found 2");
    try (TextTokenizer tokenizer = bert(3)) {
      assertArrayEquals(new int[] {2, 25, 3}, tokenizer.encode("pump works").ids());
      check(
          IllegalArgumentException.class,
          () -> tokenizer.encode("pump", "works"),
          "3 special tokens",
          "found 3");
    }
    try (TextTokenizer tokenizer = TextTokenizer.load(Golden.path(BERT), 64, 100)) {
      assertEquals(4, tokenizer.encode("pump works").length());
      check(
          IllegalArgumentException.class,
          () -> tokenizer.encode("works."),
          "tokenizer.json",
          "'.'",
          "105",
          "vocab_size 100");
    }
  }

  private static void check(
      Class<? extends Exception> type,
      org.junit.jupiter.api.function.Executable action,
      String... parts) {
    String message = assertThrows(type, action).getMessage();
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
  }

  /** What Java strings may hold and UTF-8 may not must not bring down the process. */
  @Test
  void takesAnyString() throws IOException {
    try (TextTokenizer tokenizer = bert(64)) {
      for (String odd : List.of("\ud800", "a\udc00b", "\0", "pump\0works", "😀 𝒳", "\uffff")) {
        Tokens tokens = tokenizer.encode(odd, odd);
        assertEquals(2, tokens.ids()[0], odd);
      }
      assertEquals(64, tokenizer.encode("pump ".repeat(100_000)).length());
      assertEquals(List.of(), tokenizer.encodeAll(List.of()));
    }
  }

  @Test
  void severalThreadsMayEncodeAndOneClose() throws Exception {
    JsonNode texts = Golden.json(BERT + "/tokens.json").get("texts");
    List<Example> examples = new ArrayList<>();
    texts.forEach(text -> examples.add(example(text)));
    ExecutorService threads = Executors.newFixedThreadPool(4);
    TextTokenizer tokenizer = bert(64);
    try {
      List<Future<Integer>> results = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        results.add(
            threads.submit(
                () -> {
                  for (int round = 0; round < 50; round++) {
                    List<Tokens> all = tokenizer.encodeAll(examples);
                    for (int j = 0; j < all.size(); j++) {
                      check(texts.get(j), all.get(j));
                    }
                  }
                  return 50;
                }));
      }
      for (Future<Integer> result : results) {
        assertEquals(50, result.get());
      }
      Future<Boolean> refused =
          threads.submit(
              () -> {
                while (true) {
                  try {
                    tokenizer.encodeAll(examples);
                  } catch (IllegalStateException e) {
                    return true;
                  }
                }
              });
      Thread.sleep(20);
      tokenizer.close();
      assertTrue(refused.get());
    } finally {
      threads.shutdownNow();
      tokenizer.close();
    }
  }

  @Test
  void encodesSst2Fast() throws IOException {
    Path shared =
        Path.of(
            System.getProperty(
                "peft4j.shared", System.getenv().getOrDefault("PEFT4J_SHARED", "../../shared")));
    Path file = shared.resolve("data/sst2/train.tsv");
    if (!Files.exists(file)) {
      System.out.println("encodesSst2Fast skipped: no " + file);
      return;
    }
    List<Example> examples =
        io.peft4j.data.TextReader.read(file, io.peft4j.data.TextFormat.DEFAULT).subList(0, 16_000);
    try (TextTokenizer tokenizer = bert(64)) {
      long start = System.nanoTime();
      List<Tokens> all = tokenizer.encodeAll(examples);
      double seconds = (System.nanoTime() - start) / 1e9;
      System.out.printf(
          Locale.ROOT,
          "16,000 sentences of SST-2 in %.2f s, %d truncated%n",
          seconds,
          Tokens.countTruncated(all));
      assertEquals(16_000, all.size());
    }
  }
}
