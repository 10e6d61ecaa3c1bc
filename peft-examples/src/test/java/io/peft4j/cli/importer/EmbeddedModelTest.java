package io.peft4j.cli.importer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.peft4j.safetensors.Checkpoint;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The digests are of folders whose outputs agreed with the ONNX graphs' within 1e-5, and whose
 * masked-LM head filled masks, under src/test/python/check_import.py.
 */
class EmbeddedModelTest {

  @TempDir Path cache;

  @Test
  void miniLmBecomesAHuggingFaceFolder() throws IOException {
    Path folder = EmbeddedModel.MINILM_L6.materialize(cache);
    assertEquals(cache.resolve("all-MiniLM-L6-v2"), folder);
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertEquals(miniLmNames(), new TreeSet<>(checkpoint.names()));
      var query = checkpoint.bytes("encoder.layer.0.attention.self.query.weight");
      assertEquals(0.035969656f, query.getFloat(384 * Float.BYTES));
      assertEquals(0.079747856f, query.getFloat(385 * Float.BYTES));
    }
    assertEquals(
        "1377e9af0ca0b016a9f2aa584d6fc71ab3ea6804fae21ef9fb1416e2944057ac",
        sha256(folder.resolve("model.safetensors")));
    checkConfig(folder, 6, 384, 1536, "BertModel");
    checkTokenizer(folder);

    long made = Files.getLastModifiedTime(folder.resolve("model.safetensors")).toMillis();
    EmbeddedModel.MINILM_L6.materialize(cache);
    assertEquals(made, Files.getLastModifiedTime(folder.resolve("model.safetensors")).toMillis());
  }

  private static Set<String> miniLmNames() {
    Set<String> names = new TreeSet<>();
    for (String table : List.of("word", "position", "token_type")) {
      names.add("embeddings." + table + "_embeddings.weight");
    }
    for (String end : List.of(".weight", ".bias")) {
      names.add("embeddings.LayerNorm" + end);
      names.add("pooler.dense" + end);
      for (int layer = 0; layer < 6; layer++) {
        for (String module :
            "attention.self.query attention.self.key attention.self.value attention.output.dense attention.output.LayerNorm intermediate.dense output.dense output.LayerNorm"
                .split(" ")) {
          names.add("encoder.layer." + layer + "." + module + end);
        }
      }
    }
    assertEquals(103, names.size());
    return names;
  }

  private static void checkConfig(
      Path folder, int layers, int hidden, int intermediate, String architecture)
      throws IOException {
    JsonNode config = new JsonMapper().readTree(folder.resolve("config.json").toFile());
    assertEquals(architecture, config.get("architectures").get(0).textValue());
    assertEquals("bert", config.get("model_type").textValue());
    assertEquals(layers, config.get("num_hidden_layers").intValue());
    assertEquals(hidden, config.get("hidden_size").intValue());
    assertEquals(intermediate, config.get("intermediate_size").intValue());
    assertEquals(12, config.get("num_attention_heads").intValue());
    assertEquals(512, config.get("max_position_embeddings").intValue());
    assertEquals(30522, config.get("vocab_size").intValue());
    assertEquals(2, config.get("type_vocab_size").intValue());
    assertEquals(1e-12, config.get("layer_norm_eps").doubleValue());
  }

  /** Against the ids that transformers gives. */
  private static void checkTokenizer(Path folder) throws IOException {
    try (HuggingFaceTokenizer tokenizer =
        HuggingFaceTokenizer.newInstance(
            folder.resolve("tokenizer.json"),
            Map.of("truncation", "do_not_truncate", "padding", "do_not_pad"))) {
      assertArrayEquals(
          new long[] {101, 1037, 2158, 2003, 5983, 2833, 1012, 102},
          tokenizer.encode("A man is eating food.").getIds());
      assertArrayEquals(
          new long[] {101, 15743, 7668, 1517, 1879, 1755, 4895, 8671, 2666, 3567, 8553, 999, 102},
          tokenizer.encode("naïve Café — 東京 unbelievability!").getIds());
      assertEquals(600, tokenizer.encode("word ".repeat(598)).getIds().length, "nothing is cut");
    }
    JsonNode json = new JsonMapper().readTree(folder.resolve("tokenizer.json").toFile());
    assertTrue(json.get("padding").isNull() && json.get("truncation").isNull());
    List<String> vocabulary = Files.readAllLines(folder.resolve("vocab.txt"));
    assertEquals(30522, vocabulary.size());
    assertEquals("[PAD]", vocabulary.get(0));
    assertEquals("##ity", vocabulary.get(3012));
  }

  @ParameterizedTest
  @Tag("slow")
  @CsvSource({
    "BGE_SMALL, 384, 1536, 197, 7729f2cb94ad5e3d954f8c1f9a84f1c995b33bc843a353de5cc6a77caea7544d",
    "E5_SMALL, 384, 1536, 197, d7ae8c7651d984d714ed2ab7e87c80202a0aaba920da965c5b2a1c85af128dfc",
    "BERT_BASE_UNCASED, 768, 3072, 204, 9133e60dcbc3426c0e1fdb9b0fcabad0e8c8f43930e27a7fde3859f889a5016a"
  })
  void theOthersBecomeHuggingFaceFolders(
      EmbeddedModel model, int hidden, int intermediate, int tensors, String digest)
      throws IOException {
    if (!model.available()) {
      System.out.printf(
          Locale.ROOT,
          "skipped: %s is not on the class path, run with -P%s%n",
          model,
          model.profile());
    }
    assumeTrue(model.available(), "run with -P" + model.profile());
    Path folder = model.materialize(cache);
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertEquals(tensors, checkpoint.names().size());
    }
    assertEquals(digest, sha256(folder.resolve("model.safetensors")));
    checkConfig(folder, 12, hidden, intermediate, tensors == 204 ? "BertForMaskedLM" : "BertModel");
    checkTokenizer(folder);
  }

  @Test
  void saysWhereTheWeightsAreToBeFound() {
    Path noJar = cache.resolve("no.jar");
    assertThrows(
        IOException.class, () -> EmbeddedModel.MINILM_L6.importTo(cache.resolve("m"), noJar));
    assertTrue(EmbeddedModel.MINILM_L6.available());
    assertFalse(Files.exists(cache.resolve("m")));
    for (EmbeddedModel model : EmbeddedModel.values()) {
      if (!model.available()) {
        Exception e = assertThrows(FileNotFoundException.class, () -> model.materialize(cache));
        assertTrue(e.getMessage().contains("-P" + model.profile()), e.getMessage());
        assertFalse(Files.exists(cache.resolve(model.folder())));
      }
    }
  }

  private static String sha256(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      new DigestInputStream(in, digest).transferTo(OutputStream.nullOutputStream());
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
