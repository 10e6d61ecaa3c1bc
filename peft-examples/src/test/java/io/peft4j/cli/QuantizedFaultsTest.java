package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What is wrong with a 4-bit folder is said in one sentence by every command that reads it, with
 * file, tensor, what was expected and what was found, and nothing is written.
 */
class QuantizedFaultsTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal");
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String WEIGHT = "model.layers.1.mlp.up_proj.weight";
  private static final String STATE = WEIGHT + ".quant_state.bitsandbytes__nf4";

  @TempDir private Path temp;
  private Path whole;
  private Path model;

  @BeforeEach
  void quantize() throws IOException {
    whole = temp.resolve("whole");
    PeftRun run =
        PeftRun.of(
            "quantize",
            "--model",
            GOLDEN.resolve("llama").toString(),
            "--output",
            whole.toString(),
            "--quantization",
            "nf4",
            "--double-quant");
    assertEquals(0, run.code(), run.err());
    write(tensor -> tensor);
  }

  /** Writes the folder anew, in shards, with its tensors changed, or left out where null. */
  private void write(UnaryOperator<TensorSource> change) throws IOException {
    model = temp.resolve("model");
    Files.createDirectories(model);
    for (String name : List.of("config.json", "tokenizer.json", "tokenizer_config.json")) {
      Files.write(model.resolve(name), Files.readAllBytes(whole.resolve(name)));
    }
    try (Checkpoint checkpoint = Checkpoint.open(whole)) {
      List<TensorSource> tensors =
          checkpoint.names().stream()
              .map(checkpoint::source)
              .flatMap(tensor -> Stream.ofNullable(change.apply(tensor)))
              .toList();
      CheckpointWriter.write(model, tensors, Map.of("format", "pt"), 20_000);
    }
  }

  private void replace(String name, UnaryOperator<TensorSource> change) throws IOException {
    write(tensor -> tensor.name().equals(name) ? change.apply(tensor) : tensor);
  }

  private static UnaryOperator<TensorSource> bytes(byte[] bytes) {
    return old ->
        TensorSource.of(old.name(), DType.U8, List.of((long) bytes.length), ByteBuffer.wrap(bytes));
  }

  private static UnaryOperator<TensorSource> text(String text) {
    return bytes(text.getBytes(StandardCharsets.UTF_8));
  }

  private void state(Consumer<ObjectNode> change) throws IOException {
    ObjectNode json;
    try (Checkpoint checkpoint = Checkpoint.open(whole)) {
      byte[] bytes = new byte[checkpoint.bytes(STATE).remaining()];
      checkpoint.bytes(STATE).get(bytes);
      json = (ObjectNode) JSON.readTree(bytes);
    }
    change.accept(json);
    replace(STATE, bytes(JSON.writeValueAsBytes(json)));
  }

  private void config(Consumer<ObjectNode> change) throws IOException {
    Path file = model.resolve("config.json");
    ObjectNode json = (ObjectNode) JSON.readTree(file.toFile());
    change.accept(json);
    JSON.writeValue(file.toFile(), json);
  }

  /** Every command that reads the weights. */
  private void all(String... said) throws IOException {
    score(said);
    Path rows = temp.resolve("rows.jsonl");
    String adapter = GOLDEN.resolve("adapter").toString();
    refuses(List.of("generate", "--prompt", "Alarm"), said);
    refuses(List.of("merge", "--adapter", adapter), said);
    refuses(List.of("merge", "--adapter", adapter, "--requantize"), said);
    List<String> train = List.of("train", "--data", rows.toString(), "--eval-split", "0");
    refuses(train, Stream.of("--task", "causal-lm", "--method", "qlora"), said);
    refuses(train, Stream.of("--task", "causal-lm", "--stream-layers"), said);
  }

  /** One of them; they all read weights in one way. */
  private void score(String... said) throws IOException {
    Path rows = Files.write(temp.resolve("rows.jsonl"), List.of("{\"text\": \"Alarm\"}"));
    refuses(List.of("score", "--input", rows.toString()), said);
  }

  private void refuses(List<String> command, Stream<String> more, String... said) {
    refuses(Stream.concat(command.stream(), more).toList(), said);
  }

  private void refuses(List<String> command, String... said) {
    Path output = temp.resolve("output");
    List<String> arguments = new ArrayList<>(command);
    arguments.addAll(List.of("--model", model.toString(), "--output", output.toString()));
    PeftRun run = PeftRun.of(arguments.toArray(String[]::new));
    assertNotEquals(0, run.code(), command + run.out() + run.err());
    assertEquals(1, run.err().strip().lines().count(), run.err());
    for (String part : said) {
      assertTrue(run.err().contains(part), "expected '" + part + "' in: " + run.err());
    }
    assertTrue(run.err().contains(model.toString()), run.err());
    assertFalse(Files.exists(output), command.toString());
  }

  @Test
  void statesThatAreNoJson() throws IOException {
    replace(STATE, text("{\"quant_type\": \"nf4\", "));
    all("'" + STATE + "': is no JSON");
    replace(STATE, bytes(new byte[] {(byte) 0xff, 0, 1}));
    score("'" + STATE + "': is no JSON");
    replace(STATE, text(""));
    score("'" + STATE + "': expected a JSON object");
  }

  @Test
  void statesThatSayWhatCannotBe() throws IOException {
    state(json -> json.put("blocksize", 100));
    all("'" + WEIGHT + "'", "unsupported block size 100, expected a power of two from 32 to 4096");
    state(json -> json.put("blocksize", 8192));
    score("'" + WEIGHT + "'", "unsupported block size 8192, expected a power of two");
    state(json -> json.remove("blocksize"));
    score("'" + STATE + "': expected 'blocksize' to be an integer, found");
    state(json -> json.put("quant_type", "nf3"));
    score("'" + STATE + "'", "unknown quantization type 'nf3', expected nf4, fp4 or int8");
    state(json -> json.put("quant_type", "int8"));
    score("'" + STATE + "'", "expected quant_type as in the name, found int8");
    state(json -> json.put("dtype", "float8_e4m3fn"));
    score("'" + STATE + "'", "unsupported float type 'float8_e4m3fn', expected float32, float16");
    state(json -> json.put("nested_offset", "much"));
    score("'" + STATE + "'", "expected 'nested_offset' to be a number, found \"much\"");
    state(json -> json.put("nested_blocksize", 100));
    score("'" + WEIGHT + "'", "unsupported block size 100");
    state(json -> json.put("nested_dtype", "float16"));
    score("'" + STATE + "'", "expected 'nested_dtype' float32, found float16");
  }

  @Test
  void shapesThatDoNotFit() throws IOException {
    state(json -> json.putArray("shape").add(48).add(25));
    all("'" + WEIGHT + "'", "shape [48, 25] takes 600 bytes of codes, found 576");
    state(json -> json.putArray("shape").add(24).add(48));
    score("'" + WEIGHT + "'", "expected shape [48, 24], found [24, 48]");
    state(json -> json.putArray("shape").add(-48).add(-24));
    score("'" + WEIGHT + "'", "[-48, -24]");
    replace(
        WEIGHT,
        old -> TensorSource.of(WEIGHT, DType.U8, List.of(500L, 1L), ByteBuffer.allocate(500)));
    score("'" + WEIGHT + "'", "shape [48, 24] takes 576 bytes of codes, found 500");
    replace(
        WEIGHT + ".absmax",
        old -> TensorSource.of(old.name(), DType.U8, List.of(17L), ByteBuffer.allocate(17)));
    score("'" + WEIGHT + "'", "shape [48, 24] in blocks of 64 takes 18 scales, found 17");
    replace(
        WEIGHT + ".nested_absmax",
        old -> TensorSource.of(old.name(), DType.F32, List.of(2L), ByteBuffer.allocate(8)));
    score("'" + WEIGHT + "'", "18 nested scales in blocks of 256 take 1 scales, found 2");
    write(tensor -> tensor);
    config(json -> json.put("intermediate_size", 64));
    score("expected shape [64, 24], found [48, 24]", "mlp.gate_proj.weight'");
  }

  @Test
  void partsThatAreMissing() throws IOException {
    for (String part : List.of("absmax", "nested_absmax", "nested_quant_map", "quant_map")) {
      String name = WEIGHT + "." + part;
      replace(name, old -> null);
      all("'" + name + "': expected this part of a quantized weight, found none");
    }
    replace(STATE, old -> null);
    all("'" + WEIGHT + "'", "expected exactly one of " + WEIGHT + ".quant_state.bitsandbytes__nf4");
    replace(WEIGHT, old -> null);
    all("'" + WEIGHT + "'", "missing");
    write(tensor -> tensor.name().startsWith(WEIGHT + ".") ? null : tensor);
    all("'" + WEIGHT + "': expected the other parts of a quantized weight beside its U8 codes");
  }

  @Test
  void partsOfOtherTypes() throws IOException {
    replace(
        WEIGHT + ".absmax",
        old -> TensorSource.of(old.name(), DType.F32, List.of(18L), ByteBuffer.allocate(72)));
    all("'" + WEIGHT + ".absmax': expected U8, found F32");
    replace(
        WEIGHT + ".nested_absmax",
        old -> TensorSource.of(old.name(), DType.F32, List.of(1L), nan()));
    score("'" + WEIGHT + ".nested_absmax': expected finite scales from 0 on, found NaN at 0");
    replace(
        WEIGHT + ".quant_map",
        old -> TensorSource.of(old.name(), DType.F32, List.of(16L), ByteBuffer.allocate(64)));
    score("'" + WEIGHT + ".quant_map': expected the levels of nf4");
  }

  private static ByteBuffer nan() {
    return ByteBuffer.wrap(new byte[] {0, 0, (byte) 0xc0, 0x7f});
  }

  @Test
  void configsThatDoNotFit() throws IOException {
    config(json -> json.withObject("quantization_config").put("bnb_4bit_quant_type", "nf3"));
    all("config.json: 'quantization_config.bnb_4bit_quant_type': expected nf4 or fp4, found nf3");
    write(tensor -> tensor);
    config(json -> json.withObject("quantization_config").put("quant_method", "awq"));
    score("config.json: 'quantization_config.quant_method': expected bitsandbytes, found awq");
    write(tensor -> tensor);
    config(json -> json.withObject("quantization_config").put("bnb_4bit_compute_dtype", "int4"));
    score("config.json: 'quantization_config.bnb_4bit_compute_dtype'", "int4");
    write(tensor -> tensor);
    config(json -> json.remove("quantization_config"));
    score(
        "q_proj.weight': expected a floating-point type, found U8; is config.json's"
            + " quantization_config missing?");
  }

  @Test
  void shardsThatAreNotWhole() throws IOException {
    Path shard;
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      assertTrue(checkpoint.files().size() > 2, checkpoint.files().toString());
      shard = checkpoint.files().get(1);
    }
    byte[] bytes = Files.readAllBytes(shard);
    Files.write(shard, Arrays.copyOf(bytes, bytes.length - 100));
    all(shard.toString(), "expected", "found");
    Files.write(shard, Arrays.copyOf(bytes, 5));
    all(shard.toString());
    Files.delete(shard);
    all("expected the shard " + shard + ", found no such file");
  }

  /** The shard is named, not only the folder. */
  @Test
  void theShardIsNamed() throws IOException {
    state(json -> json.put("blocksize", 100));
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      all(checkpoint.path(WEIGHT) + ": '" + WEIGHT + "': unsupported block size 100");
    }
  }

  @Test
  void eightBitWeightsWithoutScales() throws IOException {
    whole = temp.resolve("eight");
    List<String> quantize = new ArrayList<>(List.of("quantize", "--quantization", "int8"));
    quantize.addAll(List.of("--model", GOLDEN.resolve("llama").toString()));
    quantize.addAll(List.of("--output", whole.toString()));
    assertEquals(0, PeftRun.of(quantize.toArray(String[]::new)).code());
    String scales = WEIGHT.replace(".weight", ".SCB");
    replace(scales, old -> null);
    Path rows = Files.write(temp.resolve("rows.jsonl"), List.of("{\"text\": \"Alarm\"}"));
    List<String> score = List.of("score", "--input", rows.toString());
    refuses(
        score,
        "'" + WEIGHT + "': expected the other parts of a quantized weight beside its I8 codes");
    config(json -> json.remove("quantization_config"));
    refuses(score, "q_proj.weight': expected a floating-point type, found I8");
    replace(
        scales,
        old -> TensorSource.of(old.name(), DType.F32, List.of(3L), ByteBuffer.allocate(12)));
    refuses(score, "shape [48, 24] takes 1152 codes and 48 row scales, found 1152 and 3");
  }

  @Test
  void inspectSaysItToo() throws IOException {
    state(json -> json.put("blocksize", 100));
    PeftRun run = PeftRun.of("inspect", "--model", model.toString());
    assertEquals(2, run.code(), run.out());
    assertTrue(run.err().contains("unsupported block size 100"), run.err());
    assertTrue(run.err().contains("'" + WEIGHT + "'"), run.err());
  }

  @Test
  void aQuantizedFolderIsNotQuantizedAgain() {
    refuses(
        List.of("quantize", "--quantization", "nf4"),
        "config.json: has 'quantization_config' already; quantize the dense model");
    refuses(
        List.of("generate", "--prompt", "a", "--quantization", "fp4"),
        "is stored as nf4, asked for as fp4; quantize the dense model instead");
  }
}
