package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.EditedModel;
import io.peft4j.Golden;
import io.peft4j.LoggedWarnings;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is stored decides whether a head is the embedding, as in transformers. */
class TiedHeadTest {

  private static final String HEAD = "lm_head.weight";
  private static final String TABLE = "model.embed_tokens.weight";
  private static final int[] IDS = {5, 9, 13, 4, 77, 50, 3, 21};

  @TempDir Path temp;

  static Stream<String> families() {
    List<String> names = new ArrayList<>();
    Golden.json("tied.json").fieldNames().forEachRemaining(names::add);
    assertEquals(8, names.size());
    return names.stream();
  }

  private static String head(String family) {
    return family.equals("gpt-neox") ? "embed_out.weight" : HEAD;
  }

  private static String table(String family) {
    return switch (family) {
      case "gpt2" -> "transformer.wte.weight";
      case "gpt-neox" -> "gpt_neox.embed_in.weight";
      default -> TABLE;
    };
  }

  /** A golden model that says that its head is tied, with one that is or isn't. */
  private static EditedModel variant(String family, String variant) throws IOException {
    EditedModel model = new EditedModel(Golden.path("decoders/" + family));
    model.config().put("tie_word_embeddings", true);
    boolean own = variant.equals("own");
    if (!own || !model.tensors().containsKey(head(family))) {
      model.rows(head(family), table(family), own);
    }
    return variant.equals("only") ? model.remove(table(family)) : model;
  }

  private Path written(String family, String variant) throws IOException {
    try (EditedModel model = variant(family, variant)) {
      return model.write(temp.resolve(family + "-" + variant));
    }
  }

  private static float[][] logProbs(CausalLm lm) {
    return lm.logProbs(List.of(lm.sequence(IDS)));
  }

  private static float[][] logProbs(Path folder, LoadOptions options) throws IOException {
    try (CausalLm lm = CausalLm.load(folder, options)) {
      return logProbs(lm);
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void whatIsStoredCounts(String family) throws IOException {
    JsonNode golden = Golden.json("tied.json").get(family);
    for (String variant : List.of("own", "only", "equal")) {
      Path folder = written(family, variant);
      Path exported = temp.resolve(family + "-" + variant + "-exported");
      try (LoggedWarnings warnings = new LoggedWarnings();
          CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
        List<TokenSequence> rows = new ArrayList<>();
        golden
            .get("inputs")
            .get("input_ids")
            .forEach(row -> rows.add(lm.sequence(Golden.ints(row))));
        double distance = Golden.distance(Golden.matrix(golden.get(variant)), lm.logProbs(rows));
        System.out.printf(
            Locale.ROOT, "%s, %s: largest difference %.1e%n", family, variant, distance);
        assertTrue(distance < 1e-5, variant + ": " + distance);
        assertEquals(variant.equals("own") ? 1 : 0, warnings.lines().size(), variant);
        if (variant.equals("own")) {
          String said = warnings.lines().get(0);
          assertTrue(said.contains(folder.toString()), said);
          assertTrue(
              said.contains("'" + head(family) + "' and '" + table(family) + "' differ"), said);
        }
        assertEquals(!variant.equals("own"), lm.model().config().tiesHead());
        ModelExport.write(lm.model(), exported);
        try (LoggedWarnings ofExported = new LoggedWarnings()) {
          assertEquals(
              0, Golden.distance(logProbs(lm), logProbs(exported, LoadOptions.DEFAULT)), variant);
          assertEquals(List.of(), ofExported.lines());
        }
      }
      assertEquals(!variant.equals("own"), ModelConfig.read(exported).tiesHead());
      try (Checkpoint was = Checkpoint.open(folder);
          Checkpoint is = Checkpoint.open(exported)) {
        assertEquals(variant.equals("own"), is.names().contains(head(family)));
        assertEquals(
            was.bytes(variant.equals("only") ? head(family) : table(family)),
            is.bytes(table(family)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void anOwnHeadIsThatOfAConfigThatSaysSo(String family) throws IOException {
    Path said = temp.resolve("said");
    try (EditedModel model = variant(family, "own")) {
      model.config().put("tie_word_embeddings", false);
      model.write(said);
    }
    Path sharded = temp.resolve("sharded");
    try (EditedModel model = variant(family, "own")) {
      model.write(sharded, 20_000);
    }
    LoadOptions half = LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16);
    for (LoadOptions options : List.of(LoadOptions.DEFAULT, half)) {
      float[][] expected = logProbs(said, options);
      assertEquals(0, Golden.distance(expected, logProbs(written(family, "own"), options)));
      assertEquals(0, Golden.distance(expected, logProbs(sharded, options)));
      assertEquals(0, Golden.distance(expected, logProbs(sharded, options.withStreaming(true))));
    }
    Path tied = temp.resolve("tied");
    try (EditedModel model = variant(family, "equal")) {
      model.remove(head(family)).write(tied);
    }
    for (LoadOptions options : List.of(LoadOptions.DEFAULT.withStreaming(true), half)) {
      float[][] expected = logProbs(tied, options);
      assertEquals(0, Golden.distance(expected, logProbs(written(family, "only"), options)));
      assertEquals(0, Golden.distance(expected, logProbs(written(family, "equal"), options)));
    }
  }

  @Test
  void aConfigThatDoesNotSayMeansItsFamilysDefault() throws IOException {
    for (String family : List.of("gemma2", "gpt2", "llama")) {
      Path folder = temp.resolve(family);
      try (EditedModel model = variant(family, "only")) {
        model.config().remove("tie_word_embeddings");
        model.write(folder);
      }
      if (!family.equals("llama")) {
        assertEquals(
            0,
            Golden.distance(
                logProbs(written(family, "equal"), LoadOptions.DEFAULT),
                logProbs(folder, LoadOptions.DEFAULT)));
      } else {
        Exception e =
            assertThrows(
                IllegalArgumentException.class, () -> CausalLm.load(folder, LoadOptions.DEFAULT));
        assertTrue(
            e.getMessage().contains("'" + TABLE + "' of shape (120, 32) is missing"),
            e.getMessage());
      }
    }
  }

  /** transformers draws one at random, and warns. */
  @Test
  void aHeadThatIsNeitherStoredNorTiedIsMissed() throws IOException {
    try (EditedModel model = new EditedModel(Golden.path("decoders/llama"))) {
      model.remove(HEAD).write(temp);
    }
    Exception e =
        assertThrows(
            IllegalArgumentException.class, () -> CausalLm.load(temp, LoadOptions.DEFAULT));
    assertEquals(
        temp.resolve("model.safetensors")
            + ": tensor 'lm_head.weight' of shape (120, 32) is missing; if the head is the"
            + " embedding, config.json has to say 'tie_word_embeddings': true",
        e.getMessage());
  }

  @Test
  void aHeadOfAnotherShapeIsRefused() throws IOException {
    try (EditedModel model = variant("gpt2", "own")) {
      model.zeros(HEAD, DType.F32, 121, 32).write(temp);
    }
    Exception e =
        assertThrows(
            IllegalArgumentException.class, () -> CausalLm.load(temp, LoadOptions.DEFAULT));
    assertTrue(
        e.getMessage().contains("expected shape (120, 32), found (121, 32)"), e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert", "roberta", "distilbert"})
  void classifiersHaveNoUseForThatHead(String family) throws IOException {
    String head =
        switch (family) {
          case "bert" -> "cls.predictions.decoder.weight";
          case "roberta" -> "lm_head.decoder.weight";
          default -> "vocab_projector.weight";
        };
    assertUnaffected("encoders/" + family, head);
  }

  @Test
  void norHaveDecoders() throws IOException {
    assertUnaffected("decoders/cls-llama", HEAD);
  }

  private void assertUnaffected(String name, String head) throws IOException {
    Path folder = temp.resolve("more");
    try (EditedModel model = new EditedModel(Golden.path(name))) {
      model.config().put("tie_word_embeddings", true);
      model.zeros(head, DType.F32, 120, 32).write(folder);
    }
    JsonNode inputs = Golden.json(name + "/golden.json").get("cases").get(0).get("inputs");
    try (LoggedWarnings warnings = new LoggedWarnings();
        Model plain = Model.load(Golden.path(name), LoadOptions.DEFAULT);
        Model more = Model.load(folder, LoadOptions.DEFAULT);
        TokenBatch one = Golden.batch(plain, inputs);
        TokenBatch other = Golden.batch(more, inputs)) {
      assertEquals(0, Golden.distance(plain.logits(one), more.logits(other)));
      assertEquals(List.of(), warnings.lines());
      assertFalse(Set.copyOf(more.checkpoint().names()).equals(plain.checkpoint().names()));
    }
  }
}
