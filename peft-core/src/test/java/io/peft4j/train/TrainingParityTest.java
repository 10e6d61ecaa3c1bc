package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.torch.Autograd;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** First-step gradients, 20-step runs and schedules against HF peft, torch and transformers. */
class TrainingParityTest {

  private static final String PREFIX = "base_model.model.";

  static Stream<String> gradients() {
    return Golden.folders("training/gradients", "").stream();
  }

  static Stream<String> runs() {
    return Golden.folders("training/runs", "").stream();
  }

  private static ClassificationSet set(Model model, JsonNode step) {
    JsonNode inputs = step.get("inputs");
    List<TokenSequence> sequences = new ArrayList<>();
    float[][] targets = new float[step.get("labels").size()][1];
    for (int i = 0; i < targets.length; i++) {
      JsonNode types = inputs.get("token_type_ids");
      sequences.add(
          model.unpad(
              Golden.ints(inputs.get("input_ids").get(i)),
              types == null ? null : Golden.ints(types.get(i)),
              Golden.ints(inputs.get("attention_mask").get(i))));
      targets[i][0] = step.get("labels").get(i).asInt();
    }
    return new ClassificationSet(sequences, targets);
  }

  private static int[] all(ClassificationSet set) {
    int[] all = new int[set.size()];
    for (int i = 0; i < all.length; i++) {
      all[i] = i;
    }
    return all;
  }

  private static double backward(Model model, ClassificationSet set, boolean recompute) {
    try (TokenBatch batch = set.batch(model, all(set))) {
      double scale = 1.0 / set.size();
      return scale * model.forwardBackward(batch, set.loss(model, all(set)), scale, 7, recompute);
    }
  }

  @ParameterizedTest
  @MethodSource("gradients")
  void firstGradientsEqualPeft(String name) throws IOException {
    Path folder = Golden.path("training/gradients/" + name);
    JsonNode golden = Golden.json("training/gradients/" + name + "/golden.json");
    try (Model model = Model.load(Golden.path(golden.get("base").asText()), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model);
        SafetensorsFile expected = SafetensorsFile.open(folder.resolve("grads.safetensors"))) {
      Adapter adapter = adapted.load("a", folder);
      adapter.setTrainable(true);
      for (boolean recompute : new boolean[] {false, true}) {
        double loss = backward(model, set(model, golden), recompute);
        assertEquals(golden.get("loss").asDouble(), loss, 1e-5, "loss");
        double norm;
        try (ParameterUpdates optimizer =
            new ParameterUpdates(
                adapter.tensors(), model.manager(), TrainingArguments.builder().build())) {
          norm = optimizer.gradientNorm();
        }
        assertEquals(1, norm / golden.get("grad_norm").asDouble(), 1e-4, "norm");
        double worst = compareGradients(adapter, expected);
        System.out.printf(
            Locale.ROOT,
            "%s (recompute %s): worst relative difference of gradients %.1e%n",
            name,
            recompute,
            worst);
        assertTrue(worst < 1e-4, name + ": " + worst);
        adapter.clearGradients();
      }
    }
  }

  /** {@return the largest of |found - expected| / |expected| over tensors, by L2 norms} */
  private static double compareGradients(Adapter adapter, SafetensorsFile expected) {
    Set<String> seen = new HashSet<>();
    double largestNorm = 0;
    for (TensorInfo info : expected.tensors().values()) {
      largestNorm = Math.max(largestNorm, norm(expected.bytes(info.name()).asFloatBuffer()));
    }
    double worst = 0;
    for (Map.Entry<String, NDArray> entry : adapter.tensors().entrySet()) {
      FloatBuffer wanted = expected.bytes(PREFIX + entry.getKey()).asFloatBuffer();
      seen.add(PREFIX + entry.getKey());
      float[] found = new float[wanted.remaining()];
      try (NDArray gradient = Autograd.gradient(entry.getValue())) {
        if (gradient != null) {
          found = gradient.toFloatArray();
        }
      }
      double difference = 0;
      for (int i = 0; i < found.length; i++) {
        difference += Math.pow(found[i] - wanted.get(i), 2);
      }
      // Softmax does not see what is added to all keys: these gradients are zero but for rounding.
      boolean zero = entry.getKey().matches(".*(key|k_lin)(\\.base_layer)?\\.bias");
      double scale = zero ? largestNorm : norm(wanted);
      // A fresh adapter's A has a gradient of exactly zero, since B is zero.
      double relative = difference == 0 ? 0 : Math.sqrt(difference) / scale;
      worst = Math.max(worst, relative);
    }
    assertEquals(expected.tensors().keySet(), seen, "trained tensors");
    return worst;
  }

  private static double norm(FloatBuffer values) {
    double sum = 0;
    for (int i = 0; i < values.limit(); i++) {
      sum += (double) values.get(i) * values.get(i);
    }
    return Math.sqrt(sum);
  }

  @ParameterizedTest
  @MethodSource("runs")
  void twentyStepsEqualPeft(String name) throws IOException {
    JsonNode golden = Golden.json("training/runs/" + name + "/golden.json");
    TrainingArguments arguments =
        TrainingArguments.builder()
            .learningRate(golden.get("learning_rate").asDouble())
            .weightDecay(golden.get("weight_decay").asDouble())
            .build();
    Schedule schedule = Schedule.named(golden.get("schedule").asText());
    int total = golden.get("steps").size();
    try (Model model = Model.load(Golden.path(golden.get("base").asText()), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      Adapter adapter = adapted.load("a", Golden.path("training/runs/" + name + "/initial"));
      adapter.setTrainable(true);
      Set<String> decayed = new HashSet<>();
      golden.get("decayed").forEach(key -> decayed.add(key.asText()));
      Set<String> ours = new HashSet<>();
      adapter.tensors().keySet().stream()
          .filter(ParameterGroup::decays)
          .forEach(k -> ours.add(PREFIX + k));
      assertEquals(decayed, ours, "decayed");
      double worst = 0;
      try (ParameterUpdates optimizer =
          new ParameterUpdates(adapter.tensors(), model.manager(), arguments)) {
        for (int step = 0; step < total; step++) {
          JsonNode expected = golden.get("steps").get(step);
          double loss = backward(model, set(model, expected), false);
          worst = Math.max(worst, Math.abs(loss - expected.get("loss").asDouble()));
          double norm = optimizer.gradientNorm();
          assertEquals(1, norm / expected.get("grad_norm").asDouble(), 1e-3, "norm, step " + step);
          double rate =
              arguments.learningRate()
                  * schedule.factor(step, golden.get("warmup_steps").asInt(), total);
          assertEquals(expected.get("learning_rate").asDouble(), rate, 1e-12, "rate, step " + step);
          optimizer.step(rate, Math.min(1, golden.get("max_grad_norm").asDouble() / (norm + 1e-6)));
          optimizer.clearGradients();
        }
      }
      System.out.printf(
          Locale.ROOT, "%s: largest difference of losses in %d steps %.1e%n", name, total, worst);
      assertTrue(worst < 1e-3, name + ": " + worst);
    }
  }

  @Test
  void schedulesEqualTransformers() {
    int compared = 0;
    for (JsonNode golden : Golden.json("training/schedules.json")) {
      String name = golden.get("schedule").asText();
      Schedule schedule = Schedule.named(name);
      int steps = golden.get("steps").asInt();
      double warmup = golden.get("warmup").asDouble();
      TrainingArguments arguments =
          warmup >= 1
              ? TrainingArguments.builder().warmupSteps((int) warmup).build()
              : TrainingArguments.builder().warmupRatio(warmup).build();
      assertEquals(golden.get("warmup_steps").asInt(), arguments.warmupStepsOf(steps), name);
      for (int step = 0; step < steps; step++) {
        assertEquals(
            golden.get("rates").get(step).asDouble(),
            golden.get("learning_rate").asDouble()
                * schedule.factor(step, arguments.warmupStepsOf(steps), steps),
            1e-12,
            name + ", step " + step);
        compared++;
      }
    }
    assertTrue(compared > 100);
  }
}
