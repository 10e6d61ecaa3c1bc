package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapter folders with something wrong: what the message says, and that nothing stays behind. */
class AdapterFaultsTest {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String A =
      "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight";

  @TempDir Path folder;

  private Model model;
  private AdaptedModel adapted;
  private float[][] before;

  @BeforeEach
  void open() throws IOException {
    copy("lora/bert-seq-cls");
    model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
    adapted = new AdaptedModel(model);
    adapted.load("good", Golden.path("lora/bert-plain"));
    before = logits();
  }

  @AfterEach
  void close() {
    adapted.close();
    model.close();
  }

  private void copy(String name) throws IOException {
    for (String file : List.of(AdapterFiles.CONFIG, AdapterFiles.WEIGHTS)) {
      Files.write(folder.resolve(file), Files.readAllBytes(Golden.path(name).resolve(file)));
    }
  }

  private float[][] logits() {
    try (TokenBatch batch = model.batch(List.of(model.sequence(new int[] {2, 25, 30, 3}, null)))) {
      return model.logits(batch);
    }
  }

  /** Loading fails with that message, the other adapter is still active, and the name is free. */
  private void refuse(Class<? extends Exception> type, String... parts) throws IOException {
    String message = assertThrows(type, () -> adapted.load("bad", folder)).getMessage();
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
    assertEquals(Set.of("good"), adapted.adapters().keySet());
    assertEquals(0, Golden.distance(before, logits()), "the model is as it was");
  }

  private void rewrite(Map<String, TensorSource> changes) throws IOException {
    Path original = Golden.path("lora/bert-seq-cls").resolve(AdapterFiles.WEIGHTS);
    try (SafetensorsFile file = SafetensorsFile.open(original)) {
      Map<String, TensorSource> sources = new LinkedHashMap<>();
      file.tensors().keySet().forEach(name -> sources.put(name, file.source(name)));
      changes.forEach(
          (name, source) -> {
            if (source == null) {
              sources.remove(name);
            } else {
              sources.put(name, source);
            }
          });
      SafetensorsWriter.write(
          folder.resolve(AdapterFiles.WEIGHTS),
          List.copyOf(sources.values()),
          Map.of("format", "pt"));
    }
  }

  private static TensorSource tensor(String name, long rows, long columns, float last) {
    ByteBuffer bytes =
        ByteBuffer.allocate((int) (rows * columns) * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putFloat(bytes.capacity() - Float.BYTES, last);
    return TensorSource.of(name, DType.F32, List.of(rows, columns), bytes);
  }

  @Test
  void tensors() throws IOException {
    Map<String, TensorSource> without = new LinkedHashMap<>();
    without.put(A, null);
    rewrite(without);
    String key = A.substring("base_model.model.".length());
    refuse(
        IllegalArgumentException.class,
        AdapterFiles.WEIGHTS,
        "missing: " + key,
        "unexpected: none");
    String extra = A.replace("query", "key");
    rewrite(Map.of(extra, tensor(extra, 4, 32, 0)));
    refuse(
        IllegalArgumentException.class,
        AdapterFiles.WEIGHTS,
        "missing: none",
        "unexpected: " + key.replace("query", "key"));
    rewrite(Map.of(A, tensor(A, 2, 32, 0)));
    refuse(
        IllegalArgumentException.class,
        AdapterFiles.WEIGHTS,
        "'" + key + "'",
        "expected shape [4, 32], found [2, 32]");
    for (float wrong : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
      rewrite(Map.of(A, tensor(A, 4, 32, wrong)));
      refuse(
          IllegalArgumentException.class,
          AdapterFiles.WEIGHTS,
          "'" + A + "'",
          "element 127 should be a finite number, found " + wrong);
    }
  }

  @Test
  void files() throws IOException {
    Path weights = folder.resolve(AdapterFiles.WEIGHTS);
    byte[] whole = Files.readAllBytes(weights);
    Files.write(weights, Arrays.copyOf(whole, whole.length - 10));
    refuse(IllegalArgumentException.class, weights.toString(), "expected", "found");
    Files.write(weights, Arrays.copyOf(whole, 20));
    refuse(IllegalArgumentException.class, weights.toString(), "header");
    Files.delete(weights);
    refuse(IOException.class, weights.toString(), "found nothing");
    Files.write(weights, whole);
    Path config = folder.resolve(AdapterFiles.CONFIG);
    Files.writeString(config, "{\"peft_type\": \"LO");
    refuse(IllegalArgumentException.class, config.toString(), "not JSON");
    Files.writeString(config, "{\"r\": 8}");
    refuse(IllegalArgumentException.class, config.toString(), "'peft_type'");
    Files.writeString(config, "{\"peft_type\": \"NEVERSEEN\"}");
    refuse(IllegalArgumentException.class, config.toString(), "NEVERSEEN is not supported", "LORA");
    Files.delete(config);
    refuse(NoSuchFileException.class, config.toString(), "an adapter folder needs this file");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'r': 2 | tensor 'bert.encoder.layer.0.attention.self.query.lora_A.weight': expected shape",
        "'use_dora': true | missing: bert.encoder.layer.0.attention.self.query.lora_magnitude",
        "'target_modules': ['q_proj'] | names nothing in the model; near: ",
        "'modules_to_save': ['head'], 'task_type': null | modules_to_save [head] names nothing",
        "'lora_dropout': 2 | lora_dropout must be in [0, 1), found 2.0",
        "'init_lora_weights': 'corda' | 'init_lora_weights': corda took from the base's weights",
        "'target_modules': ['LayerNorm'] | is a LayerNorm; this method adapts Embedding, Linear"
      })
  void configs(String change, String message) throws IOException {
    Path file = folder.resolve(AdapterFiles.CONFIG);
    ObjectNode config = (ObjectNode) JSON.readTree(file.toFile());
    config.setAll((ObjectNode) JSON.readTree("{" + change.replace('\'', '"') + "}"));
    JSON.writeValue(file.toFile(), config);
    refuse(IllegalArgumentException.class, folder.toString(), message);
  }

  @ParameterizedTest
  @ValueSource(strings = {"[]", "[\"../x\"]", "[\"a\\u0000b\"]", "[\"..\"]", "{}"})
  void namesInMixes(String names) throws IOException {
    Path file = folder.resolve(AdapterMix.FILE);
    Files.writeString(file, "{\"adapters\": " + names + "}");
    String message =
        assertThrows(IllegalArgumentException.class, () -> AdapterMix.load(adapted, folder))
            .getMessage();
    assertTrue(message.startsWith(file + ": 'adapters': expected names of folders"), message);
  }

  @Test
  void aHeadThatIsASingleNumber() throws IOException {
    String head = "base_model.model.classifier.weight";
    rewrite(Map.of(head, TensorSource.of(head, DType.F32, List.of(), ByteBuffer.allocate(4))));
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AdapterHead.of(Golden.path("encoders/bert"), folder, LoadOptions.DEFAULT))
            .getMessage();
    assertEquals(folder + ": expected a head with outputs, found none", message);
  }

  @Test
  void anotherModelsAdapter() throws IOException {
    copy("lora/roberta-plain");
    refuse(
        IllegalArgumentException.class,
        AdapterFiles.WEIGHTS,
        "missing: bert.encoder.layer.0.attention.self.query.lora_A.weight",
        "unexpected: roberta.encoder.layer.0.attention.self.query.lora_A.weight");
    copy("lora/distilbert-seq-cls");
    refuse(IllegalArgumentException.class, folder.toString(), "q_lin", "near: ");
  }

  @Test
  void virtualTokensThatLeaveNoRoom() {
    for (String method : List.of("PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING")) {
      MethodConfig config = MethodConfig.of(method).with("num_virtual_tokens", 600);
      String message =
          assertThrows(IllegalArgumentException.class, () -> adapted.add("long", config, 1))
              .getMessage();
      assertTrue(message.contains("num_virtual_tokens") && message.contains("600"), message);
      assertEquals(Set.of("good"), adapted.adapters().keySet());
    }
  }

  @Test
  void aTakenName() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> adapted.load("good", folder))
            .getMessage();
    assertTrue(message.contains("already an adapter named 'good'"), message);
    assertEquals(0, Golden.distance(before, logits()));
  }

  @Test
  void aMergeThatWouldNotBeFinite() throws IOException {
    adapted.load("bad", folder);
    Adapter bad = adapted.adapter("bad");
    NDArray value = bad.tensors().get("bert.encoder.layer.1.attention.self.value.lora_B.weight");
    float[] numbers = value.toFloatArray();
    numbers[7] = Float.NaN;
    value.set(numbers);
    adapted.activate("good");
    for (String[] names : List.of(new String[] {"bad"}, new String[] {"good", "bad"})) {
      String message =
          assertThrows(ArithmeticException.class, () -> adapted.merge(names)).getMessage();
      assertTrue(message.contains("layer.1.attention.self.value"), message);
      assertTrue(message.contains("finite"), message);
      assertEquals(0, Golden.distance(before, logits()), "good is active, nothing is merged");
      assertThrows(IllegalStateException.class, adapted::unmerge);
    }
    adapted.merge("good");
    assertTrue(Golden.distance(before, logits()) < 1e-5);
    adapted.unmerge();
    assertEquals(0, Golden.distance(before, logits()));
  }
}
