package io.peft4j.model.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.EditedModel;
import io.peft4j.Golden;
import io.peft4j.LoggedWarnings;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every tensor of a checkpoint is used, means nothing, or is named. */
class UnusedTensorsTest {

  private static final int[] IDS = {5, 9, 13, 4, 77, 50};
  private static final String QUERY = "model.layers.0.self_attn.q_proj.weight";

  @TempDir Path temp;

  private List<String> warnings(String name, Consumer<EditedModel> change) throws IOException {
    try (EditedModel model = new EditedModel(Golden.path(name))) {
      change.accept(model);
      model.write(temp);
    }
    try (LoggedWarnings warnings = new LoggedWarnings()) {
      if (name.startsWith("decoders/") && !name.contains("cls-")) {
        CausalLm.load(temp, LoadOptions.DEFAULT).close();
      } else {
        Model.load(temp, LoadOptions.DEFAULT).close();
      }
      return warnings.lines();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "decoders/llama, model.layers.0.self_attn.rotary_emb.inv_freq",
    "decoders/gpt2, transformer.h.0.attn.bias",
    "decoders/gpt2, h.1.attn.masked_bias",
    "decoders/gpt2, classifier.weight",
    "decoders/llama, score.weight",
    "decoders/cls-llama, lm_head.weight",
    "decoders/gpt-neox, gpt_neox.layers.0.attention.bias",
    "decoders/gpt-neox, gpt_neox.layers.0.attention.masked_bias",
    "decoders/gpt-neox, gpt_neox.layers.0.attention.rotary_emb.inv_freq",
    "encoders/bert, bert.embeddings.position_ids",
    "encoders/bert, cls.seq_relationship.bias",
    "encoders/roberta, roberta.pooler.dense.weight",
    "encoders/distilbert, vocab_transform.weight",
    "encoders/distilbert, qa_outputs.bias",
  })
  void whatFollowsFromTheConfigOrIsAnotherTasksMeansNothing(String model, String tensor)
      throws IOException {
    assertEquals(List.of(), warnings(model, edited -> edited.zeros(tensor, DType.F32, 2, 2)));
  }

  @ParameterizedTest
  @CsvSource({
    "decoders/llama, model.layers.0.self_attn.q_proj.bias",
    "decoders/llama, lm_head.bias",
    "decoders/cls-llama, score.bias",
    "decoders/gpt2, transformer.h.0.crossattention.c_attn.weight",
    "decoders/llama, embed_tokens.weight",
    "encoders/bert, bert.encoder.layer.0.crossattention.self.query.weight",
    "encoders/bert, bert.embeddings.LayerNorm.gamma",
    "encoders/distilbert, classifier.scale",
    "encoders/roberta, lora_A",
  })
  void whatTheModelDoesNotHaveIsNamed(String model, String tensor) throws IOException {
    assertEquals(
        List.of(
            temp.resolve("model.safetensors")
                + ": not used, for the model that config.json describes has no such tensor: "
                + tensor),
        warnings(model, edited -> edited.zeros(tensor, DType.F32, 2, 2)));
  }

  @ParameterizedTest
  @CsvSource({
    "decoders/llama, num_hidden_layers, model.layers.1.",
    "decoders/gpt2, n_layer, transformer.h.1.",
    "decoders/gpt2, num_hidden_layers, transformer.h.1.",
    "encoders/bert, num_hidden_layers, bert.encoder.layer.1.",
    "encoders/distilbert, n_layers, distilbert.transformer.layer.1.",
  })
  void layersBeyondTheConfigAreNamedAndMissingOnesAreMissed(String name, String key, String layer)
      throws IOException {
    List<String> said = warnings(name, edited -> edited.config().put(key, 1));
    assertEquals(1, said.size());
    assertTrue(said.get(0).contains("no such tensors: " + layer), said.get(0));
    long count;
    try (Checkpoint whole = Checkpoint.open(Golden.path(name))) {
      count = whole.names().stream().filter(tensor -> tensor.startsWith(layer)).count();
    }
    assertTrue(said.get(0).endsWith(" and " + (count - 3) + " more"), said.get(0));
    Exception e =
        assertThrows(
            IllegalArgumentException.class,
            () -> warnings(name, edited -> edited.config().put(key, 3)));
    assertEquals(
        String.format(
            Locale.ROOT,
            "%s: '%s': expected at most 2, the layers that %s has; found 3",
            temp.resolve("config.json"),
            key,
            temp.resolve("model.safetensors")),
        e.getMessage());
  }

  @Test
  void aLayerThatIsMissingInTheMiddleIsMissed() throws IOException {
    Exception e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                warnings(
                    "decoders/gpt2-scaled",
                    edited -> edited.tensors().keySet().removeIf(name -> name.contains(".h.1."))));
    assertTrue(e.getMessage().contains("expected at most 1, the layers"), e.getMessage());
  }

  /** transformers loads them: only what is used has to be understood. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"C64", "U64", "U32", "U16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3"})
  void typesOfTensorsThatNobodyNeeds(DType type) throws IOException {
    List<String> said = warnings("decoders/llama", edited -> edited.zeros("more", type, 4));
    assertEquals(1, said.size());
    assertTrue(said.get(0).endsWith("no such tensor: more"), said.get(0));
  }

  @ParameterizedTest
  @ValueSource(strings = {"C64", "U64", "U16", "F8_E8M0", "F4", "I32", "BOOL"})
  void typesThatAreNoWeights(String type) {
    Exception e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                warnings(
                    "decoders/llama", edited -> edited.zeros(QUERY, DType.valueOf(type), 32, 32)));
    assertTrue(
        e.getMessage().contains(temp.resolve("model.safetensors").toString()), e.getMessage());
    assertTrue(
        e.getMessage().contains("'" + QUERY + "': expected a floating-point type, found " + type),
        e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
  void eightBitFloatsAreTheirValues(String type) throws IOException {
    Path file = Golden.path("../io/peft4j/safetensors/float8.safetensors");
    ByteBuffer codes = ByteBuffer.allocate(32 * 32);
    ByteBuffer floats = ByteBuffer.allocate(32 * 32 * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    try (SafetensorsFile known = SafetensorsFile.open(file)) {
      ByteBuffer values = known.bytes(type + ".values");
      for (int i = 0; codes.hasRemaining(); i = (i + 1) % 256) {
        float value = values.getFloat(i * Float.BYTES);
        if (Float.isFinite(value)) {
          codes.put((byte) i);
          floats.putFloat(value);
        }
      }
    }
    List<Long> shape = List.of(32L, 32L);
    TensorSource eight = TensorSource.of(QUERY, DType.valueOf(type), shape, codes.flip());
    TensorSource wide = TensorSource.of(QUERY, DType.F32, shape, floats.flip());
    for (LoadOptions options :
        List.of(LoadOptions.DEFAULT, LoadOptions.DEFAULT.withStreaming(true))) {
      float[][] expected = logProbs(wide, options);
      assertTrue(Float.isFinite(expected[0][0]));
      assertEquals(0, Golden.distance(expected, logProbs(eight, options)));
    }
  }

  private float[][] logProbs(TensorSource query, LoadOptions options) throws IOException {
    Path folder = temp.resolve(query.dtype().name());
    try (EditedModel model = new EditedModel(Golden.path("decoders/llama"))) {
      model.tensors().put(QUERY, query);
      model.write(folder);
    }
    try (CausalLm lm = CausalLm.load(folder, options)) {
      return lm.logProbs(List.of(lm.sequence(IDS)));
    }
  }
}
