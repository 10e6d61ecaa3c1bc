package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.ParityTable;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every decoder family against transformers, unpadded and padded on either side. */
class DecoderParityTest {

  private static final ParityTable TABLE =
      new ParityTable(
          "decoders",
          "Token log-probabilities beside transformers' in float32: largest differences",
          "model and type here",
          "unpadded",
          "right-padded",
          "left-padded",
          "one example a row",
          "transformers in that type",
          "greedy tokens");

  private static final ParityTable CLASSIFIERS =
      new ParityTable(
          "decoder-classifiers",
          "Logits of classifiers beside transformers': largest differences",
          "model and type here",
          "unpadded",
          "right-padded",
          "left-padded");

  @AfterAll
  static void write() throws IOException {
    TABLE.write();
    CLASSIFIERS.write();
  }

  /** Examples packed into rows, against padded ones there; and each in a row of its own. */
  private static void note(
      String row, String test, float[][] expected, float[][] packed, float[][] alone) {
    TABLE.put(row, test, Golden.distance(expected, packed));
    TABLE.put(row, "one example a row", Golden.distance(expected, alone));
  }

  private static float[][] alone(CausalLm lm, List<TokenSequence> sequences) {
    float[][] alone = new float[sequences.size()][];
    for (int i = 0; i < alone.length; i++) {
      alone[i] = lm.logProbs(List.of(sequences.get(i)))[0];
    }
    return alone;
  }

  static Stream<String> languageModels() {
    return Golden.folders("decoders", "").stream()
        .filter(name -> !name.startsWith("cls-") && !name.startsWith("lora-"));
  }

  static Stream<String> classifiers() {
    return Golden.folders("decoders", "cls-").stream();
  }

  private static List<TokenSequence> sequences(Model model, JsonNode inputs) {
    List<TokenSequence> sequences = new ArrayList<>();
    for (int i = 0; i < inputs.get("input_ids").size(); i++) {
      int[] ids = Golden.ints(inputs.get("input_ids").get(i));
      int[] mask = Golden.ints(inputs.get("attention_mask").get(i));
      TokenSequence sequence = model.unpad(ids, null, mask);
      sequences.add(sequence.withLabels(sequence.ids()));
    }
    return sequences;
  }

  @ParameterizedTest
  @MethodSource("languageModels")
  void tokenLogProbabilitiesEqualTransformers(String name) throws IOException {
    JsonNode golden = Golden.json("decoders/" + name + "/golden.json");
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), LoadOptions.DEFAULT)) {
      int cases = 0;
      for (JsonNode test : golden.get("cases")) {
        List<TokenSequence> sequences = sequences(lm.model(), test.get("inputs"));
        float[][] expected = Golden.matrix(test.get("log_probs"));
        float[][] packed = lm.logProbs(sequences);
        double distance = Golden.distance(expected, packed);
        System.out.printf(
            Locale.ROOT, "%s %s: largest difference %.1e%n", name, test.get("name"), distance);
        assertTrue(distance < 1e-5, test.get("name") + ": " + distance);
        float[][] alone = alone(lm, sequences);
        note(name + " float32", test.get("name").asText(), expected, packed, alone);
        double packing = Golden.distance(alone, packed);
        assertTrue(packing < 1e-5, test.get("name") + ", alone and packed: " + packing);
        cases++;
      }
      assertEquals(3, cases);
    }
  }

  @ParameterizedTest
  @MethodSource("languageModels")
  void bfloat16IsAsNearAsTransformersOwn(String name) throws IOException {
    JsonNode golden = Golden.json("decoders/" + name + "/golden.json");
    double limit = 2 * golden.get("bfloat16").asDouble();
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16);
    double worst = 0;
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), options)) {
      for (JsonNode test : golden.get("cases")) {
        List<TokenSequence> sequences = sequences(lm.model(), test.get("inputs"));
        float[][] expected = Golden.matrix(test.get("log_probs"));
        float[][] found = lm.logProbs(sequences);
        float[][] alone = alone(lm, sequences);
        note(name + " bfloat16", test.get("name").asText(), expected, found, alone);
        worst = Math.max(worst, Golden.distance(expected, found));
        worst = Math.max(worst, Golden.distance(expected, alone));
      }
    }
    TABLE.put(name + " bfloat16", "transformers in that type", limit / 2);
    System.out.printf(
        Locale.ROOT,
        "%s: bfloat16 differs by %.3f, transformers' by %.3f%n",
        name,
        worst,
        limit / 2);
    assertTrue(worst < limit, worst + " where transformers has " + limit / 2);
  }

  @ParameterizedTest
  @MethodSource("classifiers")
  void classifiersReadTheLastRealToken(String name) throws IOException {
    JsonNode golden = Golden.json("decoders/" + name + "/golden.json");
    try (Model model = Model.load(Golden.path("decoders/" + name), LoadOptions.DEFAULT)) {
      for (JsonNode test : golden.get("cases")) {
        try (TokenBatch batch = Golden.batch(model, test.get("inputs"))) {
          double distance = Golden.distance(Golden.matrix(test.get("logits")), model.logits(batch));
          CLASSIFIERS.put(name.substring(4) + " float32", test.get("name").asText(), distance);
          System.out.printf(
              Locale.ROOT, "%s %s: largest difference %.1e%n", name, test.get("name"), distance);
          assertTrue(distance < 1e-5, test.get("name") + ": " + distance);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("languageModels")
  void greedyTokensEqualTransformers(String name) throws IOException {
    JsonNode golden = Golden.json("decoders/" + name + "/golden.json").get("greedy");
    List<int[]> prompts = new ArrayList<>();
    golden.get("prompts").forEach(prompt -> prompts.add(Golden.ints(prompt)));
    int steps = golden.get("tokens").get(0).size();
    int[][] found = new int[prompts.size()][steps];
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), LoadOptions.DEFAULT);
        Decoding decoding = lm.start(prompts)) {
      for (int step = 0; step < steps; step++) {
        int[] tokens = new int[prompts.size()];
        for (int row = 0; row < tokens.length; row++) {
          float[] logits = decoding.logits()[row];
          for (int i = 1; i < logits.length; i++) {
            tokens[row] = logits[i] > logits[tokens[row]] ? i : tokens[row];
          }
          found[row][step] = tokens[row];
        }
        if (step < steps - 1) {
          decoding.append(tokens);
        }
      }
    }
    for (int row = 0; row < found.length; row++) {
      assertArrayEquals(Golden.ints(golden.get("tokens").get(row)), found[row], "prompt " + row);
    }
    TABLE.put(name + " float32", "greedy tokens", "equal");
  }
}
