package io.peft4j.quant.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.quant.DrawnTensor;
import io.peft4j.quant.DynamicQuantizer;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.torch.HostTensors;
import io.peft4j.train.TrainingArguments;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** AdamW with 8-bit state: its formula, with moments rounded between steps; and resuming. */
class EightBitAdamWTest {

  private static final int SIZE = 70_000; // more than a chunk, and no whole number of blocks
  private static final double SPREAD = 0.02 / 37837;
  private static final TrainingArguments ARGUMENTS =
      TrainingArguments.builder().optim("adamw_8bit").weightDecay(0.1).adamBeta2(0.95).build();

  private static void step(NDArray parameter, SteppedOptimizer optimizer, int seed) {
    DrawnGradients.add(parameter, DrawnGradients.floats(seed, (int) parameter.size()));
    optimizer.step(0.01, 1);
    optimizer.clearGradients();
  }

  @Test
  void followsTheFormulaWithRoundedMoments() {
    float[] x = DrawnGradients.floats(1, SIZE);
    float[] m = new float[SIZE];
    float[] v = new float[SIZE];
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      NDArray parameter = DrawnGradients.parameter(manager, 1, SIZE);
      try (SteppedOptimizer optimizer =
          new SteppedOptimizer(Map.of("a.weight", parameter), manager, ARGUMENTS)) {
        for (int t = 1; t <= 4; t++) {
          step(parameter, optimizer, 10 + t);
          float[] g = DrawnGradients.floats(10 + t, SIZE);
          for (int i = 0; i < SIZE; i++) {
            m[i] = 0.9f * m[i] + 0.1f * g[i];
            v[i] = 0.95f * v[i] + 0.05f * g[i] * g[i];
            double step = m[i] / (1 - Math.pow(0.9, t));
            double length = Math.sqrt(v[i] / (1 - Math.pow(0.95, t))) + 1e-8;
            x[i] = (float) (x[i] * (1 - 0.01 * 0.1) - 0.01 * step / length);
          }
          round(DynamicQuantizer.signed(), m);
          round(DynamicQuantizer.unsigned(), v);
        }
      }
      // A rounding that falls the other way for a last bit moves single elements; none by much.
      float[] found = parameter.toFloatArray();
      int apart = 0;
      for (int i = 0; i < SIZE; i++) {
        apart += Math.abs(x[i] - found[i]) > 1e-5 ? 1 : 0;
        assertEquals(x[i], found[i], 0.02f);
      }
      assertTrue(apart < SIZE / 1000, apart + " elements differ");
    }
  }

  private static void round(DynamicQuantizer quantizer, float[] values) {
    byte[] codes = new byte[values.length];
    float[] absmax = new float[(values.length + 255) / 256];
    quantizer.quantize(values, 256, codes, absmax);
    quantizer.dequantize(codes, absmax, 256, values);
  }

  /** A tensor of make_adamw.py: what its weights are drawn with, and its gradients step by step. */
  private record Case(String name, int seed, int size, String pattern) {
    float[] weights() {
      return DrawnTensor.floats(seed, size, "normal", SPREAD);
    }

    float[] gradient(int step) {
      return DrawnTensor.floats(seed + step, size, pattern, SPREAD);
    }
  }

  /** bitsandbytes' own AdamW8bit, see make_adamw.py. */
  @Test
  void weightsAndStateAreThoseOfBitsandbytes() throws Exception {
    List<Case> cases =
        List.of(
            new Case("normal", 100, 12345, "normal"),
            new Case("heavy", 200, 4096, "heavy"),
            new Case("zeros", 300, 8000, "zeros"),
            new Case("mixed", 400, 9001, "mixed"),
            new Case("small", 500, 4095, "normal"));
    Path golden = Path.of(DrawnTensor.class.getResource("adamw8bit.safetensors").toURI());
    try (SafetensorsFile expected = SafetensorsFile.open(golden);
        NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Map<String, NDArray> parameters = new LinkedHashMap<>();
      for (Case test : cases) {
        NDArray parameter = manager.create(test.weights());
        parameter.setRequiresGradient(true);
        parameters.put(test.name + ".weight", parameter);
      }
      try (SteppedOptimizer optimizer = new SteppedOptimizer(parameters, manager, ARGUMENTS)) {
        for (int t = 1; t <= 10; t++) {
          for (Case test : cases) {
            DrawnGradients.add(parameters.get(test.name + ".weight"), test.gradient(t));
          }
          optimizer.step(1e-3, 1);
          optimizer.clearGradients();
        }
        for (Case test : cases) {
          compare(test.name, expected, parameters, optimizer);
        }
      }
    }
  }

  private static void compare(
      String name,
      SafetensorsFile expected,
      Map<String, NDArray> parameters,
      SteppedOptimizer optimizer) {
    float[] weights = parameters.get(name + ".weight").toFloatArray();
    double weight = distance(expected, name + ".weight", weights, false);
    boolean small = name.equals("small");
    int codes = 0;
    double scales = 0;
    for (int moment = 1; moment <= 2; moment++) {
      String ours = name + ".weight." + (small ? moment == 1 ? "exp_avg" : "exp_avg_sq" : "");
      if (small) {
        float[] found = optimizer.state().get(ours).toFloatArray();
        scales = Math.max(scales, distance(expected, name + ".state" + moment, found, false));
        continue;
      }
      ByteBuffer theirs = expected.bytes(name + ".state" + moment);
      byte[] found = optimizer.state().get(ours + "state" + moment).toByteArray();
      for (int i = 0; i < found.length; i++) {
        codes += found[i] == theirs.get(i) ? 0 : 1;
      }
      float[] absmax = optimizer.state().get(ours + "absmax" + moment).toFloatArray();
      scales = Math.max(scales, distance(expected, name + ".absmax" + moment, absmax, true));
    }
    System.out.printf(
        Locale.ROOT,
        "adamw_8bit, %s: after 10 steps %d of %d codes are not bitsandbytes', scales differ by %.1e,"
            + " weights by %.1e%n",
        name,
        codes,
        small ? 0 : 2 * weights.length,
        scales,
        weight);
    // The first moment's last bit may differ (lerp here, multiply and add there), and then a code.
    assertTrue(codes <= 2, name + ": " + codes);
    assertTrue(scales < 1e-6, name + ": " + scales);
    assertTrue(weight < 1e-7, name + ": " + weight);
  }

  private static float[] floats(ByteBuffer memory) {
    float[] values = new float[memory.remaining() / Float.BYTES];
    memory.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return values;
  }

  private static double distance(
      SafetensorsFile expected, String name, float[] found, boolean relative) {
    float[] theirs = floats(expected.bytes(name));
    assertEquals(theirs.length, found.length, name);
    double worst = 0;
    for (int i = 0; i < found.length; i++) {
      double scale = relative ? Math.max(Math.abs(theirs[i]), Float.MIN_NORMAL) : 1;
      worst = Math.max(worst, Math.abs((double) theirs[i] - found[i]) / scale);
    }
    return worst;
  }

  @Test
  void resumesWithTheSameBytes() {
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      NDArray through = DrawnGradients.parameter(manager, 1, SIZE);
      NDArray resumed = DrawnGradients.parameter(manager, 1, SIZE);
      try (SteppedOptimizer whole =
              new SteppedOptimizer(Map.of("a.weight", through), manager, ARGUMENTS);
          SteppedOptimizer second =
              new SteppedOptimizer(Map.of("a.weight", resumed), manager, ARGUMENTS)) {
        for (int seed = 0; seed < 3; seed++) {
          step(through, whole, seed);
        }
        Map<String, byte[]> saved = new TreeMap<>();
        whole
            .state()
            .forEach((name, tensor) -> saved.put(name, copy(HostTensors.elements(tensor))));
        assertEquals(
            Set.of("a.weight.state1", "a.weight.state2", "a.weight.absmax1", "a.weight.absmax2"),
            saved.keySet());
        resumed.set(through.toFloatArray());
        second.state().forEach((name, tensor) -> HostTensors.elements(tensor).put(saved.get(name)));
        second.resume(3);
        for (int seed = 3; seed < 5; seed++) {
          step(through, whole, seed);
          step(resumed, second, seed);
        }
        assertArrayEquals(through.toFloatArray(), resumed.toFloatArray());
        second
            .state()
            .forEach(
                (name, tensor) ->
                    assertArrayEquals(
                        copy(HostTensors.elements(whole.state().get(name))),
                        copy(HostTensors.elements(tensor)),
                        name));
      }
    }
  }

  private static byte[] copy(ByteBuffer memory) {
    byte[] bytes = new byte[memory.remaining()];
    memory.duplicate().get(bytes);
    return bytes;
  }

  @Test
  void takesAQuarterAndLeavesSmallTensorsAlone() {
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Map<String, NDArray> parameters =
          Map.of(
              "a.weight",
              DrawnGradients.parameter(manager, 1, SIZE),
              "b.weight",
              DrawnGradients.parameter(manager, 1, 4095));
      try (SteppedOptimizer optimizer = new SteppedOptimizer(parameters, manager, ARGUMENTS)) {
        long state =
            optimizer.state().values().stream()
                .mapToLong(t -> HostTensors.elements(t).remaining())
                .sum();
        assertEquals(state, optimizer.stateBytes());
        assertEquals(2 * (SIZE + 4 * 274) + 8 * 4095, state);
        assertTrue(optimizer.state().containsKey("b.weight.exp_avg"));
      }
    }
  }

  @Test
  void unknownOptimizersAreRefused() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> TrainingArguments.builder().optim("adamw_4bit").build());
    assertTrue(
        e.getMessage().contains("[adamw_torch, paged_adamw_32bit, adamw_8bit, paged_adamw_8bit"),
        e.getMessage());
  }
}
