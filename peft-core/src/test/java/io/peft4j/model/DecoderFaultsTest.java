package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is wrong with a decoder's folder or input is said in one sentence, with file and key. */
class DecoderFaultsTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path temp;

  /** A copy of a golden checkpoint with a changed config. */
  private Path changed(String name, Consumer<ObjectNode> change) throws IOException {
    Path from = Golden.path("decoders/" + name);
    ObjectNode config = (ObjectNode) JSON.readTree(from.resolve("config.json").toFile());
    change.accept(config);
    JSON.writeValue(temp.resolve("config.json").toFile(), config);
    Path weights = temp.resolve("model.safetensors");
    Files.deleteIfExists(weights);
    Files.copy(from.resolve("model.safetensors"), weights);
    return temp;
  }

  private void assertFault(String name, Consumer<ObjectNode> change, String... said)
      throws IOException {
    Path folder = changed(name, change);
    String message =
        assertThrows(
                IllegalArgumentException.class, () -> CausalLm.load(folder, LoadOptions.DEFAULT))
            .getMessage();
    for (String part : said) {
      assertTrue(message.contains(part), "expected '" + part + "' in: " + message);
    }
  }

  @Test
  void configsThatAreNotSupportedAreRefused() throws IOException {
    assertFault(
        "llama",
        config -> ((ObjectNode) config.get("rope_parameters")).put("rope_type", "yarn"),
        "config.json: rope_type \"yarn\" is not supported; supported: default, linear, dynamic, llama3");
    assertFault(
        "llama",
        config -> {
          config.remove("rope_parameters");
          config.putObject("rope_scaling").put("type", "su");
        },
        "config.json: type \"su\" is not supported");
    assertFault(
        "llama3",
        config -> ((ObjectNode) config.get("rope_parameters")).remove("low_freq_factor"),
        "config.json: 'low_freq_factor' is missing");
    assertFault("llama", config -> config.put("model_type", "bert"), "model_type \"bert\"");
    assertFault(
        "llama", config -> config.put("num_key_value_heads", 3), "num_key_value_heads 3", "4");
    assertFault("llama", config -> config.put("hidden_act", "mish"), "hidden_act", "mish");
    assertFault(
        "qwen2",
        config -> config.putArray("layer_types").add("sliding_attention").add("chunked_attention"),
        "layer_types",
        "chunked_attention");
    assertFault(
        "llama", config -> config.put("attention_bias", "yes"), "'attention_bias' must be true");
  }

  @Test
  void sizesThatNoModelHasAreRefused() throws IOException {
    for (String key :
        List.of(
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "hidden_size",
            "intermediate_size",
            "vocab_size",
            "max_position_embeddings")) {
      for (int value : new int[] {0, -8, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
        assertFault(
            "llama", config -> config.put(key, value), "'" + key + "': expected 1 to ", "" + value);
      }
    }
    for (String key : List.of("n_layer", "n_head", "n_embd", "n_positions", "n_inner")) {
      for (int value : new int[] {0, -8, Integer.MAX_VALUE}) {
        assertFault(
            "gpt2", config -> config.put(key, value), "'" + key + "': expected 1 to ", "" + value);
      }
    }
    assertFault(
        "llama",
        config -> config.put("head_dim", 1 << 28),
        "found 4 heads, 2 of keys, of 268435456");
    assertFault("llama", config -> config.put("head_dim", 3), "turned; found 3 of 3");
    assertFault("mistral", config -> config.put("sliding_window", 0), "'sliding_window'");
    assertFault("gpt-neox", config -> config.put("hidden_size", 33), "width 33, 2 heads");
  }

  @Test
  void weightsThatDoNotFitTheConfigAreRefused() throws IOException {
    assertFault(
        "llama",
        config -> config.put("intermediate_size", 64),
        "model.safetensors: tensor 'model.layers.0.mlp.gate_proj.weight': expected shape (64, 32)",
        "found (48, 32)");
    assertFault(
        "llama",
        config -> config.put("attention_bias", true),
        "tensor 'model.layers.0.self_attn.q_proj.bias' of shape (32) is missing");
  }

  @Test
  void cutShardsAreRefused() throws IOException {
    try (var files = Files.list(Golden.path("decoders/llama-sharded"))) {
      for (Path file : files.toList()) {
        Files.copy(file, temp.resolve(file.getFileName()));
      }
    }
    Path shard;
    try (var files = Files.list(temp)) {
      shard =
          files.filter(file -> file.toString().contains("-00002-of-")).findFirst().orElseThrow();
    }
    byte[] bytes = Files.readAllBytes(shard);
    Files.write(shard, Arrays.copyOf(bytes, bytes.length - 100));
    String message =
        assertThrows(Exception.class, () -> CausalLm.load(temp, LoadOptions.DEFAULT)).getMessage();
    assertTrue(message.contains(shard.getFileName().toString()), message);
    Files.delete(shard);
    message =
        assertThrows(IOException.class, () -> CausalLm.load(temp, LoadOptions.DEFAULT))
            .getMessage();
    assertTrue(message.contains(shard.getFileName().toString()), message);
  }

  @Test
  void olderConfigsMeanTheSame() throws IOException {
    int[] ids = {5, 9, 13, 4, 77, 50};
    for (String name : List.of("llama3", "gpt-neox")) {
      float[][] expected;
      try (CausalLm lm = CausalLm.load(Golden.path("decoders/" + name), LoadOptions.DEFAULT)) {
        expected = lm.logProbs(List.of(lm.sequence(ids)));
      }
      Path folder =
          changed(
              name,
              config -> {
                ObjectNode rope = (ObjectNode) config.remove("rope_parameters");
                config.set("rope_theta", rope.remove("rope_theta"));
                if (name.equals("llama3")) {
                  config.set("rope_scaling", rope);
                } else {
                  config.set("rotary_pct", rope.get("partial_rotary_factor"));
                  config.set("rotary_emb_base", config.remove("rope_theta"));
                }
              });
      try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
        assertEquals(0, Golden.distance(expected, lm.logProbs(List.of(lm.sequence(ids)))));
      }
    }
  }

  @Test
  void sequencesThatDoNotFitAreRefused() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/gpt2"), LoadOptions.DEFAULT)) {
      assertThrows(IllegalArgumentException.class, () -> lm.sequence(new int[0]));
      String message =
          assertThrows(IllegalArgumentException.class, () -> lm.start(List.of(new int[65])))
              .getMessage();
      assertEquals("a sequence has 65 tokens; the model takes 1 to 64", message);
      assertThrows(
          IllegalArgumentException.class,
          () -> lm.sequence(new int[] {1, 2}).withLabels(new int[] {1}));
      TokenSequence plain = lm.model().sequence(new int[] {1, 2}, null);
      assertThrows(
          IllegalArgumentException.class,
          () -> lm.logProbs(List.of(plain, plain.withLabels(new int[] {1, 2}))));
      assertThrows(
          IllegalArgumentException.class, () -> lm.sequence(new int[] {1, 120}), "vocabulary");
      try (Decoding decoding = lm.start(List.of(new int[63]))) {
        decoding.append(new int[] {3});
        assertThrows(IllegalArgumentException.class, () -> decoding.append(new int[] {3}));
      }
      try (TokenBatch batch = lm.model().batch(List.of(plain))) {
        assertEquals(0, lm.model().logits(batch).length, "nothing is to be predicted");
      }
    }
  }

  @Test
  void finishedRowsCanBeLetGo() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/mistral"), LoadOptions.DEFAULT);
        Decoding all = lm.start(List.of(new int[] {5, 6, 7}, new int[] {8}, new int[] {9, 10}));
        Decoding alone = lm.start(List.of(new int[] {9, 10}))) {
      all.append(new int[] {20, 21, 22});
      all.keep(new int[] {2});
      alone.append(new int[] {22});
      for (int step = 0; step < 40; step++) {
        assertArrayEquals(alone.logits()[0], all.logits()[0], 1e-5f);
        all.append(new int[] {30 + step});
        alone.append(new int[] {30 + step});
      }
    }
  }
}
