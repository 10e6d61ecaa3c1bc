package io.peft4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.generate.Generated.Finish;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every key of transformers' GenerationConfig; the golden files are make_generation_config.py's.
 */
class GenerationConfigTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path temp;

  @Test
  void everyKeyOfTransformersHasADecision() {
    Set<String> expected = new TreeSet<>();
    Golden.json("generation/keys.json").get("keys").forEach(key -> expected.add(key.asText()));
    Set<String> found = new TreeSet<>(GenerationKeys.ALL.keySet());
    found.removeAll(List.of("_from_model_config", "_commit_hash"));
    assertEquals(expected, found);
  }

  @Test
  void transformersDefaultsAreAcceptedAndChangeNothing() {
    ObjectNode defaults = (ObjectNode) Golden.json("generation/keys.json").get("defaults");
    defaults.remove("max_length"); // which counts from the prompt's end only where it is absent
    GenerationConfig config = GenerationConfig.defaults();
    for (var entry : defaults.properties()) {
      config = config.with(entry.getKey(), entry.getValue());
    }
    float[] logits = {-1, 3, 0.5f, 2};
    assertArrayEquals(logits, new TokenChooser(config, new int[] {1, 1}, 22, 4, 0).scores(logits));
    assertEquals(22, config.limit(2, 512));
    GenerationConfig drawn = GenerationConfig.defaults().with("do_sample", true);
    float[] wide = new float[60];
    IntStream.range(0, wide.length).forEach(i -> wide[i] = i);
    float[] kept = new TokenChooser(drawn, new int[] {1}, 22, 60, 0).scores(wide);
    assertEquals(50, IntStream.range(0, 60).filter(i -> Float.isFinite(kept[i])).count());
  }

  @Test
  void processorsMakeTransformersScores() {
    for (JsonNode test : Golden.json("generation/processors.json")) {
      GenerationConfig config = GenerationConfig.defaults();
      for (var entry : test.get("config").properties()) {
        config = config.with(entry.getKey(), entry.getValue());
      }
      int[] prompt = Golden.ints(test.get("prompt"));
      int limit = config.limit(prompt.length, 32);
      List<LogitsProcessor> processors = LogitsProcessors.of(config, prompt, limit, 20);
      int[] tokens = prompt;
      for (JsonNode step : test.get("steps")) {
        float[] scores = floats(step.get("logits"));
        for (LogitsProcessor processor : processors) {
          processor.process(tokens, scores);
        }
        float[] expected = floats(step.get("scores"));
        for (int i = 0; i < scores.length; i++) {
          double room = 2e-6 * Math.max(1, Math.abs(expected[i]));
          assertEquals(
              expected[i], scores[i], room, test.get("config") + " after " + tokens.length);
        }
        tokens = Arrays.copyOf(tokens, tokens.length + 1);
        tokens[tokens.length - 1] = step.get("token").asInt();
      }
    }
  }

  private static float[] floats(JsonNode array) {
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      JsonNode value = array.get(i);
      values[i] = value.isNull() ? Float.NEGATIVE_INFINITY : (float) value.asDouble();
    }
    return values;
  }

  /** What is refused there is refused here, naming the key; a config.json has them too. */
  @Test
  void foldersGiveTransformersTokens() throws IOException {
    Path llama = Golden.path("decoders/llama");
    JsonNode base = Golden.json("decoders/llama/config.json");
    try (CausalLm lm = CausalLm.load(llama, LoadOptions.DEFAULT)) {
      int number = 0;
      for (JsonNode test : Golden.json("generation/folders.json")) {
        Path folder = Files.createDirectory(temp.resolve("f" + number++));
        ObjectNode json = base.deepCopy();
        boolean own = test.get("file").asText().equals("generation_config.json");
        if (own) {
          write(folder.resolve("generation_config.json"), test.get("json"));
        } else {
          json.setAll((ObjectNode) test.get("json"));
        }
        write(folder.resolve("config.json"), json);
        List<int[]> prompt = List.of(Golden.ints(test.get("prompt")));
        if (test.has("tokens")) {
          GenerationConfig config = GenerationConfig.of(folder);
          Generated found =
              new Generator(lm).generate(prompt, config, (i, token, text) -> {}).get(0);
          assertArrayEquals(Golden.ints(test.get("tokens")), found.tokens(), test.toString());
        } else {
          String message =
              assertThrows(
                      IllegalArgumentException.class,
                      () ->
                          new Generator(lm)
                              .generate(
                                  prompt, GenerationConfig.of(folder), (i, token, text) -> {}),
                      test.toString())
                  .getMessage();
          List<String> keys = new ArrayList<>();
          test.get("json").fieldNames().forEachRemaining(keys::add);
          assertTrue(keys.stream().anyMatch(message::contains), message);
        }
      }
    }
  }

  private static void write(Path file, JsonNode json) throws IOException {
    Files.writeString(file, JSON.writeValueAsString(json));
  }

  @Test
  void whatIsNotSupportedIsRefusedByName() {
    for (String key :
        List.of("num_beams", "constraints", "force_words_ids", "dola_layers", "token_healing")) {
      Object value = key.equals("token_healing") ? true : 3;
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> GenerationConfig.defaults().with(key, value))
              .getMessage();
      assertTrue(message.startsWith(key + ": expected "), message);
      assertTrue(message.contains("not supported"), message);
    }
    assertEquals(1, GenerationConfig.defaults().with("num_beams", 1).integer("num_beams", 0));
    assertThrows(
        IllegalArgumentException.class, () -> GenerationConfig.defaults().with("num_bems", 1));
  }

  @Test
  void readsWhatAFolderRecommends() throws IOException {
    Path file = temp.resolve("generation_config.json");
    Files.writeString(
        file,
        "{\"do_sample\": true, \"top_p\": 0.9, \"eos_token_id\": [7, 9], \"top_k\": null,"
            + " \"stop_strings\": \"end\"}");
    GenerationConfig config = GenerationConfig.of(temp);
    assertEquals(Set.of(7, 9), config.eosTokenIds());
    assertEquals(List.of("end"), config.stopStrings());
    assertEquals(0.9, config.number("top_p", 1));
    assertTrue(config.doSample());

    Files.writeString(file, "{\"do_sample\": true, \"top_p\": 1.5}");
    String message =
        assertThrows(IllegalArgumentException.class, () -> GenerationConfig.of(temp)).getMessage();
    assertTrue(message.contains("generation_config.json: top_p"), message);
    Files.writeString(file, "[1]");
    assertThrows(IllegalArgumentException.class, () -> GenerationConfig.of(temp));
  }

  /** They run together: as many as a file likes would fill the memory. */
  @Test
  void sequencesHaveAGreatestNumber() throws IOException {
    Path file = temp.resolve("generation_config.json");
    Files.writeString(file, "{\"do_sample\": true, \"num_return_sequences\": 2147483647}");
    String message =
        assertThrows(IllegalArgumentException.class, () -> GenerationConfig.of(temp)).getMessage();
    assertEquals(
        file + ": num_return_sequences: expected an integer from 1 to 1024, found 2147483647",
        message);
  }

  @Test
  void drawsSeveralSequencesOfAPrompt() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT)) {
      GenerationConfig config =
          GenerationConfig.defaults().with("do_sample", true).with("num_return_sequences", 3);
      List<int[]> prompts = List.of(new int[] {11, 3}, new int[] {7, 5, 2});
      Generator generator = new Generator(lm);
      List<Generated> all = generator.generate(prompts, config, (i, token, text) -> {});
      assertEquals(6, all.size());
      List<Generated> second =
          generator.generate(prompts.subList(1, 2), config, (i, token, text) -> {}, 1);
      for (int i = 0; i < 3; i++) {
        assertArrayEquals(all.get(3 + i).tokens(), second.get(i).tokens());
        assertEquals(20, all.get(i).tokens().length);
      }
      assertTrue(!Arrays.equals(all.get(0).tokens(), all.get(1).tokens()));
    }
  }

  @Test
  void timeEndsSequences() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT)) {
      GenerationConfig config = GenerationConfig.defaults().with("max_time", 0);
      Generated found =
          new Generator(lm)
              .generate(List.of(new int[] {11, 3}), config, (i, token, text) -> {})
              .get(0);
      assertEquals(Finish.TIME, found.finish());
      assertEquals(1, found.tokens().length);
    }
  }

  /** As transformers' StopStringCriteria: also across the prompt's end, and special tokens. */
  @Test
  void stopStringsMayBeginInThePromptAndBeSpecialTokens() {
    Codec codec =
        new Codec() {
          @Override
          public int[] encode(String text) {
            return text.chars().toArray();
          }

          @Override
          public String decode(int[] tokens) {
            return decodeWithSpecialTokens(tokens).replace("!", "");
          }

          @Override
          public String decodeWithSpecialTokens(int[] tokens) {
            return new String(tokens, 0, tokens.length);
          }
        };
    GrowingText across = new GrowingText(codec, List.of("park"), codec.encode("in the pa"));
    assertEquals("", across.update(codec.encode("r")));
    across.update(codec.encode("rk"));
    assertTrue(across.stopped());
    assertEquals("", across.text());

    GrowingText special = new GrowingText(codec, List.of("b!"), codec.encode("x"));
    special.update(codec.encode("ab"));
    assertTrue(!special.stopped());
    special.update(codec.encode("ab!"));
    assertTrue(special.stopped());
    assertEquals("ab", special.text());

    GrowingText before = new GrowingText(codec, List.of("park"), codec.encode("park"));
    assertEquals("s", before.update(codec.encode("s")));
    assertTrue(!before.stopped());
  }
}
