package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.Autograd;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The update against its formula in double precision, and what is decayed. */
class AdamWTest {

  @Test
  void biasesAndNormsAreNotDecayed() {
    for (String name :
        List.of(
            "bert.encoder.layer.0.attention.self.query.lora_A.weight",
            "bert.encoder.layer.0.attention.self.query.lora_magnitude_vector",
            "bert.embeddings.word_embeddings.lora_embedding_B",
            "classifier.weight")) {
      assertTrue(ParameterGroup.decays(name), name);
    }
    for (String name :
        List.of(
            "classifier.bias",
            "bert.encoder.layer.0.attention.self.query.lora_B.bias",
            "bert.encoder.layer.0.output.LayerNorm.weight",
            "distilbert.transformer.layer.0.sa_layer_norm.weight",
            "model.norm.weight")) {
      assertFalse(ParameterGroup.decays(name), name);
    }
  }

  /** One parameter in double precision (Loshchilov and Hutter, 2019, algorithm 2). */
  private static final class Reference {
    private final double[] x;
    private final double[] m;
    private final double[] v;
    private final double decay;
    private int steps;

    Reference(float[] start, double decay) {
      x = new double[start.length];
      for (int i = 0; i < x.length; i++) {
        x[i] = start[i];
      }
      m = new double[x.length];
      v = new double[x.length];
      this.decay = decay;
    }

    void step(float[] gradient, double rate, double scale) {
      steps++;
      for (int i = 0; i < x.length; i++) {
        double g = gradient[i] * scale;
        x[i] -= rate * decay * x[i];
        m[i] = 0.8 * m[i] + 0.2 * g;
        v[i] = 0.9 * v[i] + 0.1 * g * g;
        double mHat = m[i] / (1 - Math.pow(0.8, steps));
        double vHat = v[i] / (1 - Math.pow(0.9, steps));
        x[i] -= rate * mHat / (Math.sqrt(vHat) + 1e-6);
      }
    }
  }

  private static float[] floats(Random random, int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @Test
  void updateFollowsTheFormula() {
    Random random = new Random(4);
    TrainingArguments arguments =
        TrainingArguments.builder()
            .weightDecay(0.1)
            .adamBeta1(0.8)
            .adamBeta2(0.9)
            .adamEpsilon(1e-6)
            .build();
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Map<String, NDArray> parameters = new LinkedHashMap<>();
      Map<String, Reference> references = new LinkedHashMap<>();
      for (String name : List.of("a.weight", "a.bias", "b.weight")) {
        float[] start = floats(random, 50);
        parameters.put(name, manager.create(start));
        parameters.get(name).setRequiresGradient(true);
        references.put(name, new Reference(start, name.endsWith("bias") ? 0 : 0.1));
      }
      NDArray idle = manager.create(1f);
      idle.setRequiresGradient(true);
      parameters.put("idle.weight", idle);
      try (ParameterUpdates optimizer = new ParameterUpdates(parameters, manager, arguments)) {
        for (int step = 0; step < 10; step++) {
          double rate = 0.05 / (step + 1);
          double scale = step % 2 == 0 ? 1 : 0.3;
          double squares = 0;
          for (Map.Entry<String, Reference> entry : references.entrySet()) {
            float[] gradient = floats(random, 50);
            for (float g : gradient) {
              squares += (double) g * g;
            }
            backward(manager, parameters.get(entry.getKey()), gradient);
            entry.getValue().step(gradient, rate, scale);
          }
          assertEquals(1, optimizer.gradientNorm() / Math.sqrt(squares), 1e-6);
          optimizer.step(rate, scale);
          optimizer.clearGradients();
          assertEquals(0, optimizer.gradientNorm());
        }
        assertEquals(10, optimizer.done());
      }
      references.forEach(
          (name, reference) -> {
            float[] found = parameters.get(name).toFloatArray();
            for (int i = 0; i < found.length; i++) {
              assertEquals(reference.x[i], found[i], 1e-5, name);
            }
          });
      assertEquals(1f, idle.getFloat(), "without a gradient nothing changes, not even by decay");
    }
  }

  private static void backward(NDManager manager, NDArray parameter, float[] gradient) {
    try (NDManager scope = manager.newSubManager();
        Autograd.Mode recording = Autograd.record()) {
      NDArray product = parameter.mul(scope.create(gradient));
      product.attach(scope);
      NDArray sum = product.sum();
      Autograd.backward(sum, sum.onesLike());
    }
  }
}
