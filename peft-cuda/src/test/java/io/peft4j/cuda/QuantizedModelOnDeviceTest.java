package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Decoding;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.kernel.QuantKernels;
import io.peft4j.quant.optimizer.EightBitMoments;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Precision;
import io.peft4j.torch.TrainingOps;
import io.peft4j.train.CausalSet;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.optimizer.AdamStep;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * QLoRA whose 4-bit weights are the device's: placed, decoded and multiplied there by the CUDA
 * kernels, beside the same on the CPU's. The stand-in's device memory is the CPU's, so libtorch for
 * CPUs does the rest. In a Java VM of its own, since the kernels' context lives as long as one.
 */
@ExtendWith(Standin.class)
class QuantizedModelOnDeviceTest {

  enum Case {
    SCORES,
    GENERATION,
    TRAINING,
    EIGHT_BIT_STEPS,
    TOO_LITTLE_MEMORY,
    LOST_CONTEXT
  }

  @ParameterizedTest
  @EnumSource(Case.class)
  void isAsOnTheCpu(Case what) {
    ForkedJvm.Result result = ForkedJvm.run(OnStandin.class, what.name());
    assertEquals(0, result.exit(), result.output());
  }

  /** Runs in a Java VM of its own. */
  static final class OnStandin {
    private static final Path LLAMA =
        Path.of("..", "peft-core", "src", "test", "resources", "golden", "decoders", "llama");
    private static final QuantizationConfig NF4 = QuantizationConfig.nf4().withDoubleQuant(true);
    private static final int[] PROMPT = {1, 5, 9, 2, 30, 7};

    private OnStandin() {}

    public static void main(String[] args) throws IOException {
      Standin.reset();
      try (CudaKernels opened = new CudaKernels()) {
        run(Case.valueOf(args[0]), opened);
        assertEquals(
            args[0].equals("EIGHT_BIT_STEPS") ? 2 : 0,
            Standin.get("allocations"),
            "packed weights are freed with their model");
      }
      assertEquals(0, Standin.get("allocations"));
      assertEquals(0, Standin.get("modules"));
      assertEquals(0, Standin.get("contexts"));
    }

    private static void run(Case what, CudaKernels kernels) throws IOException {
      switch (what) {
        case SCORES -> scores(kernels);
        case GENERATION -> generation(kernels);
        case TRAINING -> training(kernels);
        case EIGHT_BIT_STEPS -> eightBitSteps(kernels);
        case TOO_LITTLE_MEMORY -> tooLittleMemory(kernels);
        case LOST_CONTEXT -> lostContext(kernels);
      }
    }

    private static CausalLm load(QuantKernels kernels, FloatType compute) throws IOException {
      QuantizedFormat format = QuantizedFormat.of(NF4.withComputeType(compute)).kernels(kernels);
      Precision precision = compute == FloatType.BF16 ? Precision.BFLOAT16 : Precision.FLOAT32;
      return CausalLm.load(LLAMA, LoadOptions.DEFAULT.withFormat(format).withPrecision(precision));
    }

    private static float[] scores(CausalLm lm) {
      return lm.logProbs(List.of(lm.sequence(PROMPT)))[0];
    }

    /** One row is the matrix-vector kernel's, a few are too, 96 are decoded for libtorch. */
    private static void scores(CudaKernels kernels) throws IOException {
      for (FloatType type : List.of(FloatType.F32, FloatType.BF16)) {
        try (CausalLm host = load(QuantKernels.java(), type);
            CausalLm device = load(kernels, type)) {
          assertTrue(Standin.get("allocations") > 14, "weights are on the device");
          float tolerance = type == FloatType.F32 ? 1e-5f : 0.03f;
          for (int examples : new int[] {1, 3, 16}) {
            long before = Standin.get("launches");
            List<TokenSequence> batch =
                java.util.Collections.nCopies(examples, host.sequence(PROMPT));
            float[][] expected = host.logProbs(batch);
            float[][] found = device.logProbs(batch);
            for (int i = 0; i < examples; i++) {
              assertArrayEquals(expected[i], found[i], tolerance);
            }
            assertNotEquals(before, Standin.get("launches"));
          }
        }
      }
    }

    private static void generation(CudaKernels kernels) throws IOException {
      try (CausalLm host = load(QuantKernels.java(), FloatType.F32);
          CausalLm device = load(kernels, FloatType.F32);
          Decoding expected = host.start(List.of(PROMPT, new int[] {1, 5}));
          Decoding found = device.start(List.of(PROMPT, new int[] {1, 5}))) {
        for (int step = 0; step < 5; step++) {
          for (int row = 0; row < 2; row++) {
            assertArrayEquals(expected.logits()[row], found.logits()[row], 1e-4f);
          }
          expected.append(new int[] {step, 7});
          found.append(new int[] {step, 7});
        }
      }
    }

    private static RunSummary train(AdaptedModel adapted, CausalLm lm) throws IOException {
      CausalSet set =
          new CausalSet(
              List.of(
                  lm.sequence(PROMPT).withLabels(PROMPT),
                  lm.sequence(new int[] {3, 4, 5, 6}).withLabels(new int[] {3, 4, 5, 6})));
      TrainingArguments arguments =
          TrainingArguments.builder().learningRate(1e-2).maxSteps(4).build();
      Path output = Files.createTempDirectory("on-device");
      return new Trainer(
              adapted, "a", arguments, set, null, new TrainingListener() {}, output, Map.of())
          .train(false);
    }

    private static Adapter lora(AdaptedModel adapted) {
      return adapted.add(
          "a", LoraConfig.builder().r(4).targetModules("q_proj", "down_proj").build(), 0);
    }

    private static void training(CudaKernels kernels) throws IOException {
      try (CausalLm host = load(QuantKernels.java(), FloatType.F32);
          CausalLm device = load(kernels, FloatType.F32);
          AdaptedModel one = new AdaptedModel(host.model());
          AdaptedModel two = new AdaptedModel(device.model())) {
        Adapter expected = lora(one);
        Adapter found = lora(two);
        double loss = train(one, host).loss();
        assertEquals(loss, train(two, device).loss(), 1e-4);
        for (Map.Entry<String, NDArray> tensor : expected.tensors().entrySet()) {
          assertArrayEquals(
              tensor.getValue().toFloatArray(),
              found.tensors().get(tensor.getKey()).toFloatArray(),
              1e-3f,
              tensor.getKey());
        }
      }
    }

    /** The kernel beside the CPU's way, on the same numbers, a last block that is not full. */
    private static void eightBitSteps(CudaKernels kernels) {
      int n = 5000;
      try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
        EightBitMoments wide = EightBitMoments.zeros(manager, n, null);
        EightBitMoments narrow = EightBitMoments.zeros(manager, n, kernels.adam().orElseThrow());
        NDArray one = manager.arange(n).sin();
        NDArray two = one.duplicate();
        for (int step = 1; step <= 5; step++) {
          NDArray gradient = manager.arange(n).mul(0.7f * step).cos();
          AdamStep adam = new AdamStep(1e-2, 0.9, 0.999, 1e-8, 0.01, step, 0.5);
          assertTrue(narrow.step(two, gradient, adam));
          assertFalse(wide.step(one, gradient, adam));
          NDArray first = manager.zeros(one.getShape());
          NDArray second = manager.zeros(one.getShape());
          wide.read(first, second);
          NDArray hyper =
              HostTensors.numbers(
                  manager,
                  1e-2,
                  0.9,
                  0.999,
                  1e-8,
                  0.01,
                  1 - Math.pow(0.9, step),
                  Math.sqrt(1 - Math.pow(0.999, step)),
                  0.5);
          TrainingOps.adamw(
              List.of(one), List.of(gradient), List.of(first), List.of(second), hyper);
          wide.write(first, second);
        }
        // a code may fall to the neighbour where rounding differs, which moves a weight a little
        assertArrayEquals(one.toFloatArray(), two.toFloatArray(), 2e-3f);
      }
    }

    private static void tooLittleMemory(CudaKernels kernels) throws IOException {
      Standin.set("memory", 4000);
      CudaException refused = assertThrows(CudaException.class, () -> load(kernels, FloatType.F32));
      assertTrue(refused.isOutOfMemory(), refused.getMessage());
      assertEquals(0, Standin.get("allocations"));
      usableOnTheCpu();
    }

    private static void lostContext(CudaKernels kernels) throws IOException {
      try (CausalLm device = load(kernels, FloatType.F32);
          AdaptedModel adapted = new AdaptedModel(device.model())) {
        lora(adapted);
        Standin.fail("cuLaunchKernel", 10, 719); // in the first step: launch failed
        CudaException failure = assertThrows(CudaException.class, () -> train(adapted, device));
        assertTrue(failure.isContextLost(), failure.getMessage());
        CudaException again = assertThrows(CudaException.class, () -> scores(device));
        assertTrue(again.getMessage().contains("restart the process"), again.getMessage());
        usableOnTheCpu(); // beside the one that is lost
      }
    }

    private static void usableOnTheCpu() throws IOException {
      try (CausalLm host = load(QuantKernels.java(), FloatType.F32);
          AdaptedModel adapted = new AdaptedModel(host.model())) {
        lora(adapted);
        assertTrue(Double.isFinite(train(adapted, host).loss()));
        assertEquals(PROMPT.length - 1, scores(host).length);
      }
    }
  }
}
