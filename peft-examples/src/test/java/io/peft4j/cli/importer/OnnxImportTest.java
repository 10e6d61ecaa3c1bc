package io.peft4j.cli.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.peft4j.safetensors.Checkpoint;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** On a BERT of one layer, width 4, 6 wide inside, with a vocabulary of 3. */
class OnnxImportTest {

  private static final String TOKENIZER =
      """
      {"padding":{"strategy":{"Fixed":128}},"truncation":{"max_length":128},\
      "model":{"vocab":{"b":1,"a":0,"é":2}}}""";

  @TempDir Path folder;

  /** Initializers and nodes by name, for a test to change. */
  private final Map<String, Protobuf> weights = new LinkedHashMap<>();

  private final Map<String, Protobuf> nodes = new LinkedHashMap<>();

  @BeforeEach
  void describeModel() {
    weights.put("ids", Protobuf.message().number(2, 7).text(8, "embeddings.position_ids"));
    add("embeddings.word_embeddings.weight", 3L, 4L);
    add("embeddings.position_embeddings.weight", 8L, 4L);
    add("embeddings.token_type_embeddings.weight", 2L, 4L);
    addNorm("embeddings.LayerNorm");
    String layer = "encoder.layer.0.";
    for (String module : List.of("query", "key", "value")) {
      addDense(layer + "attention.self." + module, 4L, 4L);
    }
    addDense(layer + "attention.output.dense", 4L, 4L);
    addNorm(layer + "attention.output.LayerNorm");
    addDense(layer + "intermediate.dense", 4L, 6L);
    addDense(layer + "output.dense", 6L, 4L);
    addNorm(layer + "output.LayerNorm");
    // attention scores are MatMuls of no weight
    nodes.put("scores", node("/encoder/layer.0/attention/self/MatMul", "q", "k"));
  }

  private void add(String name, Long... shape) {
    weights.put(name, Protobuf.floats(name, 0, shape));
  }

  private void addNorm(String module) {
    add(module + ".weight", 4L);
    add(module + ".bias", 4L);
  }

  private void addDense(String module, long in, long out) {
    String anonymous = "onnx::MatMul_" + weights.size();
    add(anonymous, in, out);
    add(module + ".bias", out);
    nodes.put(
        module,
        node(
            "/" + module.replace('.', '/').replace("layer/0", "layer.0") + "/MatMul",
            "x",
            anonymous));
  }

  private static Protobuf node(String name, String left, String right) {
    return Protobuf.message().text(1, left).text(1, right).text(3, name).text(4, "MatMul");
  }

  private byte[] onnx() {
    Protobuf graph = Protobuf.message();
    nodes.values().forEach(node -> graph.message(1, node));
    weights.values().forEach(weight -> graph.message(5, weight));
    return Protobuf.message().number(1, 7).text(2, "pytorch").message(7, graph).toByteArray();
  }

  private Path importModel(byte[] onnx) throws IOException {
    return ModelFolder.makeOnce(
        folder.resolve("model"),
        staging ->
            OnnxImport.run(
                new ByteArrayInputStream(onnx),
                "tiny.onnx",
                new ByteArrayInputStream(TOKENIZER.getBytes(StandardCharsets.UTF_8)),
                2,
                staging));
  }

  @Test
  void makesAModelFolder() throws IOException {
    Path model = importModel(onnx());
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      assertEquals(5 + 16, checkpoint.names().size());
      String wide = "encoder.layer.0.intermediate.dense.weight";
      assertEquals(List.of(6L, 4L), checkpoint.info(wide).shape());
      // [in, out] = [4, 6] counted up row by row: element [out 1, in 2] is 2·6 + 1
      assertEquals(13f, checkpoint.bytes(wide).getFloat((1 * 4 + 2) * 4));
      assertEquals(5f, checkpoint.bytes("embeddings.word_embeddings.weight").getFloat(5 * 4));
      assertEquals(Map.of("format", "pt"), checkpoint.metadata());
    }
    JsonNode config = new JsonMapper().readTree(model.resolve("config.json").toFile());
    assertEquals("[\"BertModel\"]", config.get("architectures").toString());
    assertEquals(4, config.get("hidden_size").intValue());
    assertEquals(6, config.get("intermediate_size").intValue());
    assertEquals(1, config.get("num_hidden_layers").intValue());
    assertEquals(2, config.get("num_attention_heads").intValue());
    assertEquals(8, config.get("max_position_embeddings").intValue());
    assertEquals(3, config.get("vocab_size").intValue());
    JsonNode tokenizer = new JsonMapper().readTree(model.resolve("tokenizer.json").toFile());
    assertTrue(tokenizer.get("padding").isNull() && tokenizer.get("truncation").isNull());
    assertEquals("a\nb\né\n", Files.readString(model.resolve("vocab.txt")));
    assertEquals(5, list(model).size(), "nothing but the model");
  }

  @Test
  void namesWhatDoesNotBelongToABert() throws IOException {
    weights.put("extra", Protobuf.floats("classifier.weight", 0, 4L));
    assertBad("with [classifier.weight] besides");
    weights.remove("extra");

    Protobuf bias = weights.remove("encoder.layer.0.attention.self.key.bias");
    assertBad("without [encoder.layer.0.attention.self.key.bias]");
    weights.put("encoder.layer.0.attention.self.key.bias", bias);

    Protobuf query = nodes.remove("encoder.layer.0.attention.self.query");
    assertBad("expected a MatMul node for each anonymous weight, found none for [onnx::MatMul_");
    nodes.put("query", query);
    nodes.put("again", query);
    assertBad("expected one tensor 'encoder.layer.0.attention.self.query.weight', found two");
    nodes.remove("again");

    String norm = "embeddings.LayerNorm.bias";
    add(norm, 5L);
    assertBad("tensor 'embeddings.LayerNorm.bias': expected shape [4], found [5]");
    weights.put(norm, Protobuf.message().number(2, 10).text(8, norm).bytes(9, new byte[8]));
    assertBad("expected raw float32 data (type 1), found type 10 and 8 bytes");
    weights.put(
        norm, Protobuf.message().number(2, 1).number(1, 4).text(8, norm).bytes(9, new byte[8]));
    assertBad("expected 16 bytes");
    add(norm, 4L);
    add("embeddings.word_embeddings.weight", 5L, 4L);
    assertBad("expected 5 tokens, as many as the model has word embeddings, found 3");
  }

  private void assertBad(String part) throws IOException {
    Exception e = assertThrows(IllegalArgumentException.class, () -> importModel(onnx()));
    assertTrue(e.getMessage().contains(part), e.getMessage());
    assertEquals(1, list(folder).size(), "only the lock is left");
  }

  @Test
  void aCutOrDamagedFileIsRefused() {
    byte[] whole = onnx();
    for (int length = 1; length < whole.length; length += 7) {
      byte[] cut = Arrays.copyOf(whole, length);
      assertThrows(IllegalArgumentException.class, () -> OnnxGraph.read("cut", direct(cut)));
    }
    Random random = new Random(4);
    for (int round = 0; round < 2000; round++) {
      byte[] bytes = whole.clone();
      bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
      try {
        OnnxGraph.read("flipped", direct(bytes));
      } catch (IllegalArgumentException e) {
        assertTrue(e.getMessage().startsWith("flipped: "), e.getMessage());
      }
    }
  }

  private static ByteBuffer direct(byte[] bytes) {
    return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
  }

  @Test
  void aCompleteFolderIsKeptAndAHalfMadeOneIsMadeAgain() throws IOException {
    Path model = importModel(onnx());
    Path config = Files.writeString(model.resolve("config.json"), "mine");
    importModel(new byte[0]); // would fail if it were used
    assertEquals("mine", Files.readString(config));

    byte[] weights = Files.readAllBytes(model.resolve("model.safetensors"));
    Files.write(model.resolve("model.safetensors"), Arrays.copyOf(weights, weights.length - 1));
    importModel(onnx());
    assertEquals(weights.length, Files.size(model.resolve("model.safetensors")));
    assertTrue(Files.readString(config).contains("BertModel"));

    Files.delete(model.resolve("vocab.txt"));
    Files.writeString(model.resolve("notes.txt"), "keep me");
    Exception e = assertThrows(IOException.class, () -> importModel(onnx()));
    assertTrue(e.getMessage().contains("notes.txt"), e.getMessage());
    assertEquals("keep me", Files.readString(model.resolve("notes.txt")));
  }

  @Test
  void importsAFileFromTheCommandLine() throws IOException {
    Path onnx = Files.write(folder.resolve("tiny.onnx"), onnx());
    Path tokenizer = Files.writeString(folder.resolve("tokenizer.json"), TOKENIZER);
    Path output = folder.resolve("out");
    int status =
        new CommandLine(new ImportCommand())
            .execute(
                "--onnx", onnx.toString(),
                "--tokenizer", tokenizer.toString(),
                "--heads", "2",
                "--output", output.toString());
    assertEquals(0, status);
    try (Checkpoint checkpoint = Checkpoint.open(output)) {
      assertEquals(21, checkpoint.names().size());
    }
    StringWriter errors = new StringWriter();
    CommandLine command = new CommandLine(new ImportCommand()).setErr(new PrintWriter(errors));
    assertEquals(2, command.execute("--model", "gpt5", "--output", output.toString()));
    assertTrue(
        errors.toString().contains("minilm, bge-small, e5-small, bert-base-uncased"),
        errors.toString());
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    }
  }
}
