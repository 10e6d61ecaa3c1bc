package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Fingerprint;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.Linear;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationError;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.Quantizer;
import io.peft4j.quant.checkpoint.CheckpointQuantizer;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What models on packed weights compute, keep, give back and refuse. */
class QuantizedModelTest {

  private static final QuantizationConfig NF4 =
      QuantizationConfig.nf4().withDoubleQuant(true).withComputeType(FloatType.F32);

  private final Path base = QloraParityTest.folder().resolve("base");

  @TempDir Path temp;

  private static Path golden(String name) {
    return Path.of("..", "peft-core", "src", "test", "resources", "golden", name);
  }

  private static LoadOptions packed(QuantizationConfig config, Merging merging) {
    return LoadOptions.DEFAULT.withFormat(QuantizedFormat.of(config).merging(merging));
  }

  private CausalLm load(LoadOptions options) throws IOException {
    return CausalLm.load(base, options);
  }

  private static float[] logProbs(CausalLm lm) throws IOException {
    return lm.logProbs(List.of(lm.sequence(QloraParityTest.sequences()[0])))[0];
  }

  private static Stream<QuantizedProjection> projections(Model model) {
    return model.modules().leaves().stream()
        .filter(Linear.class::isInstance)
        .map(leaf -> ((Linear) leaf).projection())
        .filter(QuantizedProjection.class::isInstance)
        .map(QuantizedProjection.class::cast);
  }

  private static double distance(float[] a, float[] b) {
    double largest = 0;
    for (int i = 0; i < a.length; i++) {
      largest = Math.max(largest, Math.abs(a[i] - b[i]));
    }
    return largest;
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "phi3"})
  void decodersComputeWithWhatTheirCodesStandFor(String name) throws IOException {
    Path dense = temp.resolve("dense");
    int[] ids = {1, 5, 9, 2, 30, 7};
    float[] expected;
    Path folder = golden("decoders").resolve(name);
    try (CausalLm lm = CausalLm.load(folder, packed(NF4, Merging.DENSE))) {
      assertTrue(projections(lm.model()).count() >= 8);
      expected = lm.logProbs(List.of(lm.sequence(ids)))[0];
      ModelExport.write(lm.model(), dense);
    }
    try (CausalLm lm = CausalLm.load(dense, LoadOptions.DEFAULT)) {
      assertEquals(0, projections(lm.model()).count());
      assertEquals(0, distance(expected, lm.logProbs(List.of(lm.sequence(ids)))[0]), 1e-5);
    }
  }

  @ParameterizedTest
  @EnumSource(QuantType.class)
  void encodersQuantizeAllButTheirHeads(QuantType type) throws IOException {
    Path folder = golden("encoders").resolve("bert");
    QuantizationConfig config = QuantizationConfig.of(type).withComputeType(FloatType.F32);
    Path packed = temp.resolve("packed");
    new CheckpointQuantizer(config).quantize(folder, packed);
    float[][] expected;
    try (Model model = Model.load(folder, packed(config, Merging.DENSE));
        TokenBatch batch = model.batch(List.of(model.sequence(new int[] {1, 5, 9, 2}, null)))) {
      expected = model.logits(batch);
      assertTrue(model.modules().leaf("classifier").parameters().size() == 2);
      assertEquals(1, model.modules().leaf("bert.pooler.dense").parameters().size());
    }
    try (Model model = Model.load(packed, LoadOptions.DEFAULT);
        TokenBatch batch = model.batch(List.of(model.sequence(new int[] {1, 5, 9, 2}, null)))) {
      assertArrayEquals(expected, model.logits(batch));
    }
  }

  @ParameterizedTest
  @EnumSource(Merging.class)
  void unmergingRestoresThePackedBytes(Merging merging) throws IOException {
    try (CausalLm lm = load(packed(NF4, merging));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      float[] bare = logProbs(lm);
      List<ByteBuffer> codes =
          projections(lm.model()).map(projection -> projection.packed().codes()).toList();
      String fingerprint = Fingerprint.ofParameters(lm.model());
      adapted.load("default", QloraParityTest.folder().resolve("adapter"));
      float[] beside = logProbs(lm);
      adapted.merge("default");
      double largest =
          projections(lm.model())
              .mapToDouble(p -> p.mergeError().meanRelative())
              .max()
              .orElseThrow();
      boolean requantized = merging == Merging.REQUANTIZE;
      assertTrue(requantized ? largest > 0.05 : largest < 1e-6, "error " + largest);
      assertEquals(0, distance(beside, logProbs(lm)), requantized ? 1 : 1e-4);
      assertEquals(requantized, projections(lm.model()).noneMatch(QuantizedProjection::isDense));
      adapted.unmerge();
      adapted.activate();
      assertArrayEquals(bare, logProbs(lm));
      assertEquals(codes, projections(lm.model()).map(p -> p.packed().codes()).toList());
      assertEquals(fingerprint, Fingerprint.ofParameters(lm.model()));
    }
  }

  @ParameterizedTest
  @EnumSource(Merging.class)
  void severalAdaptersAreAddedUpBeforeTheWeightIsPackedOnce(Merging merging) throws IOException {
    try (CausalLm lm = load(packed(NF4.withComputeType(FloatType.BF16), merging));
        AdaptedModel adapted = new AdaptedModel(lm.model());
        NDManager scope = lm.model().manager().newSubManager()) {
      adapted.load("first", QloraParityTest.folder().resolve("adapter"));
      adapted.add("second", randomLora().loraAlpha(8).build(), 7);
      Map<String, QuantizedProjection> packed = QuantizedProjection.in(lm.model());
      Map<String, NDArray> sums = new HashMap<>();
      packed.forEach(
          (name, projection) -> {
            NDArray sum = projection.weight(scope);
            for (String adapter : List.of("first", "second")) {
              Map<String, NDArray> tensors = adapted.adapter(adapter).tensors();
              NDArray a = Ops.detach(tensors.get(name + ".lora_A.weight"));
              NDArray b = Ops.detach(tensors.get(name + ".lora_B.weight"));
              sum = sum.add(b.matMul(a).mul(2)); // alpha 8 over rank 4
            }
            sums.put(name, sum);
          });
      adapted.merge("first", "second");
      packed.forEach(
          (name, projection) -> {
            ByteBuffer sum = HostTensors.elements(sums.get(name));
            if (merging == Merging.REQUANTIZE) {
              QuantizedTensor once =
                  new Quantizer(projection.base().config())
                      .quantize(sum, FloatType.F32, projection.base().shape());
              assertEquals(once.codes(), projection.packed().codes(), name);
              assertEquals(
                  QuantizationError.measure(sum, FloatType.F32, once), projection.mergeError());
            } else {
              NDArray once = Ops.toFloat32(Ops.toBfloat16(sums.get(name)));
              assertArrayEquals(once.toFloatArray(), projection.weight(scope).toFloatArray(), name);
              assertEquals(
                  QuantizationError.between(sum, HostTensors.elements(once)),
                  projection.mergeError());
            }
          });
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void doraAndDropoutGiveTheSameGradientsWhenLayersAreRunAgain(boolean dora) throws IOException {
    List<Map<String, float[]>> gradients = List.of(gradients(dora, false), gradients(dora, true));
    gradients
        .get(0)
        .forEach((name, values) -> assertArrayEquals(values, gradients.get(1).get(name), name));
  }

  private static LoraConfig.Builder randomLora() {
    return LoraConfig.builder()
        .r(4)
        .targetModules(ModuleSelector.allLinear())
        .init(LoraInit.RANDOM)
        .taskType("CAUSAL_LM");
  }

  private Map<String, float[]> gradients(boolean dora, boolean recompute) throws IOException {
    LoraConfig config = randomLora().useDora(dora).loraDropout(0.1).build();
    Map<String, float[]> gradients = new HashMap<>();
    try (CausalLm lm = load(packed(NF4, Merging.DENSE));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("default", config, 1);
      adapter.setTrainable(true);
      int[] ids = QloraParityTest.sequences()[0];
      // rows of different lengths are packed
      List<int[]> rows = List.of(ids, Arrays.copyOf(ids, 7), Arrays.copyOf(ids, 9));
      try (TokenBatch batch = QloraParityTest.batch(lm.model(), rows)) {
        lm.model().forwardBackward(batch, null, 1, 7, recompute ? lm.model().recomputable() : 0);
      }
      for (Map.Entry<String, NDArray> tensor : adapter.tensors().entrySet()) {
        try (NDArray gradient = Autograd.gradient(tensor.getValue())) {
          gradients.put(tensor.getKey(), gradient.toFloatArray());
        }
      }
    }
    return gradients;
  }

  @Test
  void skippedModulesStayDense() throws IOException {
    LoadOptions options =
        LoadOptions.DEFAULT.withFormat(
            QuantizedFormat.of(NF4).skipping(List.of("down_proj", "model.layers.1")));
    try (CausalLm lm = load(options)) {
      assertEquals(6, projections(lm.model()).count());
    }
  }

  @Test
  void quantizedModulesAreNotTrainedInFull() throws IOException {
    LoraConfig config =
        LoraConfig.builder().targetModules("q_proj").modulesToSave(List.of("down_proj")).build();
    try (CausalLm lm = load(packed(NF4, Merging.DENSE));
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      refuses(() -> adapted.add("default", config, 0), "down_proj", "quantized");
    }
  }

  @Test
  void foldersThatDoNotFitAreRefused() throws IOException {
    Path packed = temp.resolve("packed");
    new CheckpointQuantizer(NF4).quantize(base, packed);
    refuses(
        () -> CausalLm.load(packed, packed(QuantizationConfig.of(QuantType.FP4), Merging.DENSE)),
        "nf4",
        "fp4");
    String config = Files.readString(packed.resolve("config.json"));
    change(packed, json -> json.put("intermediate_size", 64));
    refuses(
        () -> CausalLm.load(packed, LoadOptions.DEFAULT), "[64, 64]", "[128, 64]", "proj.weight");
    Files.writeString(packed.resolve("config.json"), config);
    change(packed, json -> json.withObject("quantization_config").put("quant_method", "gptq"));
    refuses(() -> CausalLm.load(packed, LoadOptions.DEFAULT), "quant_method", "gptq");
    Files.writeString(packed.resolve("config.json"), config);
    refuses(
        () -> CausalLm.load(base, LoadOptions.DEFAULT.withFormat(new QuantizedFormat())),
        "quantization_config");
  }

  private static void change(Path folder, Consumer<ObjectNode> change) throws IOException {
    Path file = folder.resolve("config.json");
    ObjectNode json = (ObjectNode) new ObjectMapper().readTree(file.toFile());
    change.accept(json);
    Files.writeString(file, json.toString());
  }

  private static void refuses(Executable work, String... words) {
    String message = assertThrows(IllegalArgumentException.class, work).getMessage();
    for (String word : words) {
      assertTrue(message.contains(word), message);
    }
  }
}
