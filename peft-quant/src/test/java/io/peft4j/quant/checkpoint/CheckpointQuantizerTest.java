package io.peft4j.quant.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.Quantizer;
import io.peft4j.quant.bnb.BnbFormat;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointQuantizerTest {
  private static final QuantizationConfig NESTED = QuantizationConfig.nf4().withDoubleQuant(true);
  private static final String UP = "model.layers.0.mlp.up_proj.weight";

  @TempDir private Path temporary;
  private Path model;
  private Path output;

  @BeforeEach
  void folders() throws IOException {
    model = Files.createDirectory(temporary.resolve("model"));
    output = temporary.resolve("output");
  }

  private static TensorSource tensor(String name, FloatType type, long... shape) {
    long count = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    Random random = new Random(name.hashCode());
    float[] values = new float[(int) count];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian() * 0.02f;
    }
    ByteBuffer bytes = ByteBuffer.allocate(type.bytes() * values.length);
    type.fromFloats(values, bytes);
    List<Long> extents = Arrays.stream(shape).boxed().toList();
    return TensorSource.of(name, DType.valueOf(type.name()), extents, bytes);
  }

  private void write(String config, TensorSource... tensors) throws IOException {
    Files.writeString(model.resolve("config.json"), config);
    CheckpointWriter.write(model, List.of(tensors), Map.of("format", "pt"), 20_000);
  }

  private void writeLlama() throws IOException {
    write(
        "{\"model_type\": \"llama\", \"hidden_size\": 48}",
        tensor("model.embed_tokens.weight", FloatType.BF16, 50, 48),
        tensor("model.layers.0.self_attn.q_proj.weight", FloatType.BF16, 48, 48),
        tensor("model.layers.0.self_attn.q_proj.bias", FloatType.BF16, 48),
        tensor(UP, FloatType.BF16, 131, 48),
        tensor("model.layers.0.mlp.gate.weight", FloatType.BF16, 4, 48),
        tensor("model.norm.weight", FloatType.BF16, 48),
        tensor("lm_head.weight", FloatType.BF16, 50, 48));
  }

  @Test
  void quantizesLinearLayersOfAShardedModelAndKeepsTheRest() throws IOException {
    writeLlama();
    Files.writeString(model.resolve("tokenizer.json"), "{}");
    assertTrue(Files.exists(model.resolve(Checkpoint.INDEX)), "the model is sharded");
    List<QuantizedWeight> seen = new ArrayList<>();
    List<QuantizedWeight> done =
        new CheckpointQuantizer(NESTED, 8_000)
            .quantize(model, output, WeightSelection.linearLayers("llama"), seen::add);

    assertEquals(seen, done);
    assertEquals(
        List.of("model.layers.0.self_attn.q_proj.weight", UP),
        done.stream().map(QuantizedWeight::name).toList());
    assertEquals(2L * 131 * 48, done.get(1).denseBytes());
    assertTrue(done.get(1).error().meanAbsolute() < 0.0016, done.toString());
    assertTrue(Files.exists(output.resolve(Checkpoint.INDEX)), "the output is sharded");
    assertTrue(Files.exists(output.resolve("tokenizer.json")));
    try (Checkpoint dense = Checkpoint.open(model);
        Checkpoint packed = Checkpoint.open(output)) {
      for (String kept :
          List.of("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight")) {
        assertEquals(dense.bytes(kept), packed.bytes(kept));
      }
      assertArrayEquals(
          new Quantizer(NESTED).quantize(dense.bytes(UP), FloatType.BF16, 131, 48).dequantize(),
          BnbFormat.read(packed, UP).dequantize());
    }
    JsonNode config = new ObjectMapper().readTree(output.resolve("config.json").toFile());
    assertEquals(48, config.get("hidden_size").asInt());
    assertEquals(
        new ObjectMapper()
            .readTree(
                """
                {"_load_in_4bit": true, "_load_in_8bit": false,
                 "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8",
                 "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true,
                 "llm_int8_enable_fp32_cpu_offload": false, "llm_int8_has_fp16_weight": false,
                 "llm_int8_skip_modules": ["lm_head", "model.layers.0.mlp.gate"],
                 "llm_int8_threshold": 6.0, "load_in_4bit": true, "load_in_8bit": false,
                 "quant_method": "bitsandbytes"}
                """),
        config.get("quantization_config"));
    assertNoTemporaries();
  }

  private void assertNoTemporaries() throws IOException {
    try (Stream<Path> files = Files.list(output)) {
      assertFalse(files.anyMatch(file -> file.getFileName().toString().startsWith(".")));
    }
  }

  @Test
  void transposesConv1d() throws IOException {
    write(
        "{\"model_type\": \"gpt2\"}",
        tensor("wte.weight", FloatType.F32, 20, 32),
        tensor("h.0.attn.c_attn.weight", FloatType.F32, 32, 96));
    new CheckpointQuantizer(NESTED).quantize(model, output);
    try (Checkpoint dense = Checkpoint.open(model);
        Checkpoint packed = Checkpoint.open(output)) {
      float[] values = FloatType.F32.toFloats(dense.bytes("h.0.attn.c_attn.weight"));
      float[] transposed = new float[values.length];
      for (int i = 0; i < values.length; i++) {
        transposed[i % 96 * 32 + i / 96] = values[i];
      }
      assertArrayEquals(
          new Quantizer(NESTED).quantize(transposed, 96, 32).dequantize(),
          BnbFormat.read(packed, "h.0.attn.c_attn.weight").dequantize());
    }
  }

  @Test
  void int8IsStoredByRows() throws IOException {
    writeLlama();
    QuantizationConfig int8 = QuantizationConfig.of(QuantType.INT8);
    new CheckpointQuantizer(int8).quantize(model, output);
    try (Checkpoint dense = Checkpoint.open(model);
        Checkpoint packed = Checkpoint.open(output)) {
      assertEquals(DType.I8, packed.info(UP).dtype());
      assertArrayEquals(
          new Quantizer(int8).quantize(dense.bytes(UP), FloatType.BF16, 131, 48).dequantize(),
          BnbFormat.read(packed, UP).dequantize());
    }
    JsonNode config = new ObjectMapper().readTree(output.resolve("config.json").toFile());
    assertTrue(config.at("/quantization_config/load_in_8bit").asBoolean());
  }

  @Test
  void namesTheWeightThatCannotBeQuantizedAndLeavesNothing() throws IOException {
    writeLlama();
    List<TensorSource> tensors = new ArrayList<>();
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      for (String name : checkpoint.names()) {
        byte[] bytes = new byte[(int) checkpoint.info(name).length()];
        checkpoint.bytes(name).get(bytes);
        if (name.equals(UP)) {
          bytes[10] = (byte) 0x80;
          bytes[11] = 0x7f;
        }
        tensors.add(
            TensorSource.of(
                name,
                checkpoint.info(name).dtype(),
                checkpoint.info(name).shape(),
                ByteBuffer.wrap(bytes)));
      }
    }
    CheckpointWriter.write(model, tensors, Map.of(), 20_000);
    assertRefused("'" + UP + "': element 5 is Infinity");
    try (Stream<Path> files = Files.list(output)) {
      assertEquals(List.of(), files.toList());
    }
  }

  @Test
  void refusesWhatIsNoDenseModel() throws IOException {
    writeLlama();
    Files.writeString(model.resolve("config.json"), "{\"quantization_config\": {}}");
    assertRefused("has 'quantization_config' already");
    Files.writeString(model.resolve("config.json"), "{\"model_type\":");
    assertRefused("config.json: is no JSON");
    write("{}", tensor("model.norm.weight", FloatType.F32, 48));
    assertRefused("has no weight to quantize");
    output = model;
    assertRefused("a base is never written to");
  }

  private void assertRefused(String words) {
    String message =
        assertThrows(
                QuantizationException.class,
                () -> new CheckpointQuantizer(NESTED).quantize(model, output))
            .getMessage();
    assertTrue(message.contains(words), message);
  }
}
