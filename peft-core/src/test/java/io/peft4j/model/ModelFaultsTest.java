package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Model folders with something wrong: what the message says. */
class ModelFaultsTest {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String QUERY = "bert.encoder.layer.0.attention.self.query.weight";

  @TempDir Path folder;

  @BeforeEach
  void copyBert() throws IOException {
    for (String file : List.of("config.json", Checkpoint.SINGLE)) {
      Files.copy(Golden.path("encoders/bert").resolve(file), folder.resolve(file));
    }
  }

  private void refuse(Class<? extends Exception> type, String... parts) {
    String message = assertThrows(type, () -> Model.load(folder, LoadOptions.DEFAULT)).getMessage();
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
  }

  private void rewrite(Map<String, TensorSource> changes) throws IOException {
    Path original = Golden.path("encoders/bert");
    try (Checkpoint checkpoint = Checkpoint.open(original)) {
      Map<String, TensorSource> sources = new LinkedHashMap<>();
      checkpoint.names().forEach(name -> sources.put(name, checkpoint.source(name)));
      changes.forEach(
          (name, source) -> {
            if (source == null) {
              sources.remove(name);
            } else {
              sources.put(name, source);
            }
          });
      SafetensorsWriter.write(
          folder.resolve(Checkpoint.SINGLE), List.copyOf(sources.values()), Map.of());
    }
  }

  private static TensorSource filled(String name, DType type, float value, long... shape) {
    int elements = 1;
    for (long dimension : shape) {
      elements *= (int) dimension;
    }
    ByteBuffer bytes = ByteBuffer.allocate(elements * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    while (type == DType.F32 && bytes.hasRemaining()) {
      bytes.putFloat(value);
    }
    bytes.rewind();
    List<Long> dimensions =
        Stream.iterate(0, i -> i + 1).limit(shape.length).map(i -> shape[i]).toList();
    return TensorSource.of(name, type, dimensions, bytes);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'model_type': 'rwkv' | model_type \"rwkv\" is not supported; supported: ",
        "'model_type': null | 'model_type' is missing",
        "'hidden_size': null | 'hidden_size' is missing",
        "'hidden_size': 'wide' | 'hidden_size' must be an integer, found \"wide\"",
        "'hidden_act': 'snake' | 'hidden_act': no activation named 'snake'",
        "'position_embedding_type': 'relative_key' | position_embedding_type \"relative_key\"",
        "'num_attention_heads': 5 | multiple of the number of heads; found width 32, 5",
        "'num_attention_heads': 0 | 'num_attention_heads': expected 1 to 268435456, found 0",
        "'num_hidden_layers': -1 | 'num_hidden_layers': expected 1 to 100000, found -1",
        "'num_hidden_layers': 2147483647 | expected 1 to 100000, found 2147483647",
        "'num_hidden_layers': 99999999999 | expected 1 to 100000, found 99999999999",
        "'hidden_size': 2147483647 | expected 1 to 268435456, found 2147483647",
        "'id2label': null, 'num_labels': 2000000000 | expected 1 to 1000000, found 2000000000",
        "'id2label': null, 'num_labels': -1 | 'num_labels': expected 1 to 1000000, found -1",
        "'hidden_dropout_prob': 1.5 | 'hidden_dropout_prob': expected a probability",
        "'is_decoder': true | is_decoder true is not supported; supported: false",
        "'pruned_heads': {'0': [1]} | pruned_heads {\"0\":[1]} is not supported; supported: none",
        "'problem_type': 'ranking' | 'problem_type': problem_type 'ranking' is none of",
        "'id2label': {'a': 'x'} | 'id2label': expected numbers as keys, found 'a'",
        "'id2label': {'1': 'x'} | 'id2label':",
        "'layer_norm_eps': 'tiny' | 'layer_norm_eps' must be a number, found \"tiny\""
      })
  void configs(String change, String message) throws IOException {
    Path file = folder.resolve("config.json");
    ObjectNode config = (ObjectNode) JSON.readTree(file.toFile());
    config.setAll((ObjectNode) JSON.readTree("{" + change.replace('\'', '"') + "}"));
    JSON.writeValue(file.toFile(), config);
    refuse(IllegalArgumentException.class, file.toString(), message);
  }

  @Test
  void configFiles() throws IOException {
    Path file = folder.resolve("config.json");
    Files.writeString(file, "{\"model_type\": ");
    refuse(IllegalArgumentException.class, file.toString(), "not JSON");
    Files.writeString(file, "[]");
    refuse(IllegalArgumentException.class, file.toString(), "expected a JSON object");
    Files.delete(file);
    refuse(NoSuchFileException.class, file.toString(), "needs a config.json");
  }

  @Test
  void tensors() throws IOException {
    Map<String, TensorSource> without = new LinkedHashMap<>();
    without.put(QUERY, null);
    rewrite(without);
    refuse(IllegalArgumentException.class, "model.safetensors", QUERY, "(32, 32)", "is missing");
    rewrite(Map.of(QUERY, filled(QUERY, DType.F32, 0, 32, 16)));
    refuse(
        IllegalArgumentException.class,
        "model.safetensors",
        QUERY,
        "expected shape (32, 32), found (32, 16)");
    rewrite(Map.of(QUERY, filled(QUERY, DType.I8, 0, 32, 32)));
    refuse(
        IllegalArgumentException.class,
        "model.safetensors",
        QUERY,
        "expected a floating-point type, found I8");
  }

  /** A tensor without elements may have any other extent; it once ended in an overflow. */
  @Test
  void headsOfNoBytes() throws IOException {
    Path file = folder.resolve("config.json");
    ObjectNode config = (ObjectNode) JSON.readTree(file.toFile());
    config.remove(List.of("id2label", "label2id", "num_labels"));
    JSON.writeValue(file.toFile(), config);
    String head = "classifier.weight";
    for (long outputs : new long[] {1_000_001, Integer.MAX_VALUE, 1L << 40}) {
      rewrite(
          Map.of(
              head,
              TensorSource.of(head, DType.F32, List.of(outputs, 0L), ByteBuffer.allocate(0))));
      refuse(
          IllegalArgumentException.class,
          "model.safetensors: tensor 'classifier.weight': expected at most 1000000 outputs, found "
              + outputs);
    }
  }

  @Test
  void tensorFiles() throws IOException {
    Path file = folder.resolve(Checkpoint.SINGLE);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, java.util.Arrays.copyOf(whole, whole.length - 100));
    refuse(IllegalArgumentException.class, file.toString(), "expected", "found");
    Files.write(file, java.util.Arrays.copyOf(whole, 100));
    refuse(IllegalArgumentException.class, file.toString(), "header", "expected");
    Files.write(file, new byte[0]);
    refuse(IOException.class, file.toString(), "is empty");
    Files.delete(file);
    refuse(IOException.class, folder.toString(), "found neither");
  }

  @Test
  void shards() throws IOException {
    Path index = folder.resolve(Checkpoint.INDEX);
    try (Checkpoint whole = Checkpoint.open(Golden.path("encoders/bert"))) {
      List<TensorSource> sources = whole.names().stream().map(whole::source).toList();
      Files.delete(folder.resolve(Checkpoint.SINGLE));
      CheckpointWriter.write(folder, sources, Map.of(), 50_000);
    }
    assertDoesNotThrow(() -> Model.load(folder, LoadOptions.DEFAULT).close());
    String good = Files.readString(index);
    String shard = good.replaceAll("(?s).*\"" + QUERY + "\" *: *\"([^\"]*)\".*", "$1");
    Files.writeString(
        index, good.replaceFirst("(\"" + QUERY + "\" *: *\")[^\"]*", "$1../../../etc/passwd"));
    refuse(IllegalArgumentException.class, index.toString(), "../../../etc/passwd");
    Files.writeString(index, good);
    Files.move(folder.resolve(shard), folder.resolve("elsewhere"));
    refuse(IOException.class, index.toString(), shard, "found no such file");
  }

  /** Found when it shows, not by reading the whole file at loading. */
  @Test
  void aBaseThatIsNotFinite() throws IOException {
    rewrite(Map.of(QUERY, filled(QUERY, DType.F32, Float.NaN, 32, 32)));
    try (Model model = Model.load(folder, LoadOptions.DEFAULT);
        TokenBatch batch = model.batch(List.of(model.sequence(new int[] {2, 25, 3}, null)))) {
      for (org.junit.jupiter.api.function.Executable action :
          List.<org.junit.jupiter.api.function.Executable>of(
              () -> model.logits(batch), model::checkFinite)) {
        String message = assertThrows(IllegalArgumentException.class, action).getMessage();
        assertTrue(message.contains("model.safetensors"), message);
        assertTrue(message.contains(QUERY), message);
        assertTrue(message.contains("expected finite numbers, found NaN"), message);
      }
    }
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT)) {
      assertDoesNotThrow(model::checkFinite);
    }
  }
}
