package io.peft4j.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The file read back by the format's description; {@code check_gguf.py} reads it with gguf-py. */
class GgufExportTest {

  @TempDir Path folder;

  /** A reader of its own, so that writer and test do not share a mistake. */
  private static final class Reader {
    final Map<String, Object> pairs = new LinkedHashMap<>();
    final Map<String, float[][]> tensors = new LinkedHashMap<>();
    private final ByteBuffer in;

    Reader(Path file) throws IOException {
      in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      assertEquals(0x46554747, in.getInt(), "GGUF");
      assertEquals(3, in.getInt());
      long count = in.getLong();
      long keys = in.getLong();
      for (long i = 0; i < keys; i++) {
        String key = text();
        int type = in.getInt();
        pairs.put(key, type == 8 ? text() : type == 6 ? (Object) in.getFloat() : in.getInt());
      }
      record Place(int rows, int columns, long offset) {}
      Map<String, Place> places = new LinkedHashMap<>();
      for (long i = 0; i < count; i++) {
        String name = text();
        assertEquals(2, in.getInt());
        int columns = (int) in.getLong();
        int rows = (int) in.getLong();
        assertEquals(0, in.getInt(), "float32");
        places.put(name, new Place(rows, columns, in.getLong()));
      }
      int start = (in.position() + 31) / 32 * 32;
      places.forEach(
          (name, place) -> {
            assertEquals(0, place.offset % 32);
            float[][] rows = new float[place.rows][place.columns];
            in.position((int) (start + place.offset));
            for (float[] row : rows) {
              for (int j = 0; j < row.length; j++) {
                row[j] = in.getFloat();
              }
            }
            tensors.put(name, rows);
          });
    }

    private String text() {
      byte[] bytes = new byte[(int) in.getLong()];
      in.get(bytes);
      return new String(bytes, StandardCharsets.UTF_8);
    }
  }

  private static float[] numbers(Adapter adapter, String key) {
    return adapter.tensors().get(key).toFloatArray();
  }

  @Test
  void scalingsArePutIntoB() throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(6)
            .useRslora(true)
            .rankPattern(Map.of("down_proj", 2))
            .alphaPattern(Map.of("down_proj", 10.0))
            .targetModules("q_proj", "k_proj", "down_proj", "embed_tokens")
            .init(LoraInit.RANDOM)
            .build();
    Path file = folder.resolve("a.gguf");
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", config, 3);
      GgufExport.write(adapter, lm.model().config(), file);
      Reader read = new Reader(file);
      assertEquals("adapter", read.pairs.get("general.type"));
      assertEquals("llama", read.pairs.get("general.architecture"));
      assertEquals("lora", read.pairs.get("adapter.type"));
      assertEquals(adapter.tensors().size(), read.tensors.size());

      // What llama.cpp computes: alpha / rank · b a, where rank is the columns of b.
      float alpha = (float) read.pairs.get("adapter.lora.alpha");
      float[][] down = read.tensors.get("blk.1.ffn_down.weight.lora_b");
      float[] original = numbers(adapter, "model.layers.1.mlp.down_proj.lora_B.weight");
      double scale = 10 / Math.sqrt(2);
      assertEquals(2, down[0].length);
      assertEquals(scale * original[5], alpha / 2 * down[2][1], 1e-5);

      // Two heads of 8 elements each: rows 0, 4, 1, 5 … of Hugging Face's.
      float[][] keys = read.tensors.get("blk.0.attn_k.weight.lora_b");
      float[] before = numbers(adapter, "model.layers.0.self_attn.k_proj.lora_B.weight");
      int[] order = {0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15};
      assertEquals(order.length, keys.length);
      for (int row = 0; row < order.length; row++) {
        assertEquals(6 / Math.sqrt(4) * before[order[row] * 4 + 1], alpha / 4 * keys[row][1], 1e-5);
      }

      float[][] rows = read.tensors.get("token_embd.weight.lora_a");
      assertEquals(120, rows.length, "one row a token");
      assertEquals(numbers(adapter, "model.embed_tokens.lora_embedding_A")[120 + 7], rows[7][1]);
    }
  }

  /** llama.cpp would multiply with the embedding's factors where the head is: it aborts. */
  @Test
  void anAdaptedEmbeddingThatIsAlsoTheHeadIsRefused() throws IOException {
    for (String name : List.of("llama3", "qwen2", "gpt2")) {
      LoraConfig config =
          LoraConfig.builder()
              .targetModules(name.equals("gpt2") ? "wte" : "embed_tokens")
              .taskType("CAUSAL_LM")
              .build();
      try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), LoadOptions.DEFAULT);
          AdaptedModel adapted = new AdaptedModel(lm.model())) {
        Adapter adapter = adapted.add("a", config, 1);
        IllegalArgumentException e =
            assertThrows(
                IllegalArgumentException.class,
                () -> GgufExport.write(adapter, lm.model().config(), folder.resolve("a.gguf")));
        assertTrue(e.getMessage().contains("also the head"), e.getMessage());
      }
    }
  }

  /** A GGUF base of such a model has no tensor of the head's name. */
  @Test
  void anAdaptedHeadThatIsAlsoTheEmbeddingIsRefused() throws IOException {
    for (String name : List.of("llama3", "qwen2", "gpt2", "gemma2")) {
      for (boolean tied : new boolean[] {false, true}) {
        LoraConfig config =
            LoraConfig.builder()
                .targetModules("lm_head")
                .taskType("CAUSAL_LM")
                .ensureWeightTying(tied)
                .build();
        assertRefused(name, adapted -> adapted.add("a", config, 1), "also the");
      }
    }
  }

  @Test
  void tensorsOfTheBaseThatCameWithAnAdapterAreRefused() throws IOException {
    for (String name : List.of("plain", "grown", "targeted")) {
      assertRefused(
          "llama", adapted -> adapted.load("a", Golden.path("carried/" + name)), "lm_head");
    }
    assertRefused(
        "gpt2", adapted -> adapted.load("a", Golden.path("carried/grown-gpt2")), "transformer.wte");
  }

  private interface Adding {
    Adapter to(AdaptedModel adapted) throws IOException;
  }

  private void assertRefused(String base, Adding adding, String part) throws IOException {
    Path file = folder.resolve("none.gguf");
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + base), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adding.to(adapted);
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> GgufExport.write(adapter, lm.model().config(), file));
      assertTrue(e.getMessage().contains(part), e.getMessage());
      assertTrue(Files.notExists(file));
    }
  }

  @Test
  void whatCannotBeSaidIsRefused() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Map<String, LoraConfig> wrong =
          Map.of(
              "lora_magnitude", LoraConfig.builder().useDora(true).build(),
              "PISSA", LoraConfig.builder().init(LoraInit.PISSA).build(),
              "model.norm", LoraConfig.builder().modulesToSave(List.of("model.norm")).build());
      wrong.forEach(
          (part, config) -> {
            Adapter adapter = adapted.add(part, config, 1);
            IllegalArgumentException e =
                assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        GgufExport.write(
                            adapter, lm.model().config(), folder.resolve("none.gguf")));
            assertTrue(e.getMessage().contains(part), e.getMessage());
          });
    }
    try (var files = Files.list(folder)) {
      assertEquals(Set.of(), Set.copyOf(files.toList()));
    }
  }
}
