package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.Floats;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.Parameter;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import io.peft4j.torch.TrainingOps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Full fine-tuning: gradients of every parameter as transformers', and the checkpoint it gives. */
class FullFineTuningTest {

  private static final LoadOptions OPTIONS = LoadOptions.DEFAULT;

  private static TokenBatch batch(Model model, JsonNode golden, boolean labelled) {
    return labelled
        ? model.batch(Golden.labelled(model, golden))
        : Golden.batch(model, golden.get("inputs"));
  }

  /** {@return the largest of |found - expected| / |expected| over tensors, by L2 norms} */
  private static double compare(Model model, Adapter adapter, SafetensorsFile expected) {
    Map<String, Parameter> parameters = new HashMap<>();
    model.modules().parameters().forEach(p -> parameters.put(p.name(), p));
    assertEquals(expected.tensors().size(), adapter.tensors().size());
    double largest = 0;
    for (var info : expected.tensors().values()) {
      largest = Math.max(largest, norm(Floats.read(expected, info), null));
    }
    double worst = 0;
    for (Map.Entry<String, NDArray> entry : adapter.tensors().entrySet()) {
      String stored = entry.getKey();
      if (!expected.tensors().containsKey(stored)) {
        assertEquals("lm_head.weight", stored);
        stored = "embed_out.weight";
      }
      float[] wanted = Floats.read(expected, expected.info(stored));
      try (NDArray gradient = Autograd.gradient(entry.getValue());
          NDArray laid =
              parameters.get(entry.getKey()).turned()
                  ? gradient.transpose()
                  : Ops.detach(gradient);
          NDArray plain = laid.duplicate()) {
        float[] found = plain.toFloatArray();
        // Softmax does not see what is added to all keys: these are zero but for rounding.
        boolean zero = stored.matches(".*(key|k_lin|k_proj)\\.bias");
        double scale = zero ? largest : norm(wanted, null);
        worst = Math.max(worst, norm(wanted, found) / scale);
      }
    }
    return worst;
  }

  private static double norm(float[] a, float[] b) {
    double squares = 0;
    for (int i = 0; i < a.length; i++) {
      squares += Math.pow(a[i] - (b == null ? 0 : b[i]), 2);
    }
    return Math.sqrt(squares);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama",
        "llama3",
        "qwen3",
        "gemma2",
        "phi3",
        "gpt2",
        "gpt-neox",
        "bert",
        "roberta",
        "distilbert"
      })
  void gradientsEqualTransformers(String name) throws IOException {
    JsonNode golden = Golden.json("full/" + name + ".json");
    Path base = Golden.path(golden.get("base").asText());
    boolean decoder = base.getParent().getFileName().toString().equals("decoders");
    CausalLm lm = decoder ? CausalLm.load(base, OPTIONS) : null;
    try (Model model = decoder ? lm.model() : Model.load(base, OPTIONS);
        AdaptedModel adapted = new AdaptedModel(model);
        SafetensorsFile expected =
            SafetensorsFile.open(Golden.path("full/" + name + ".safetensors"))) {
      Adapter adapter = adapted.add("all", new FullConfig(), 1);
      int[] labels = decoder ? null : Golden.ints(golden.get("labels"));
      for (boolean recompute : new boolean[] {false, true}) {
        try (TokenBatch batch = batch(model, golden, decoder)) {
          Loss loss =
              logits -> TrainingOps.crossEntropy(logits, logits.getManager().create(longs(labels)));
          int terms = golden.get("terms").asInt();
          double sum =
              model.forwardBackward(batch, decoder ? null : loss, 1.0 / terms, 5, recompute);
          assertEquals(golden.get("loss").asDouble(), sum / terms, 1e-5);
        }
        double worst = compare(model, adapter, expected);
        System.out.printf(Locale.ROOT, "%s: gradients differ by %.1e, relatively%n", name, worst);
        assertTrue(worst < 2e-5, name + ": " + worst);
        adapter.clearGradients();
      }
    }
  }

  private static long[] longs(int[] values) {
    return Arrays.stream(values).asLongStream().toArray();
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama3", "gpt2", "gpt-neox"})
  void theResultIsAPlainCheckpoint(String name, @TempDir Path folder) throws IOException {
    Path base = Golden.path("decoders/" + name);
    int[] ids = {5, 9, 13, 4, 77, 50};
    float[][] trained;
    try (CausalLm lm = CausalLm.load(base, OPTIONS);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      float[][] before = lm.logProbs(List.of(lm.sequence(ids)));
      Adapter adapter = adapted.add("all", new FullConfig(), 1);
      adapter.setTrainable(false);
      assertEquals(0, Golden.distance(before, lm.logProbs(List.of(lm.sequence(ids)))), "a copy");
      for (NDArray tensor : adapter.tensors().values()) {
        tensor.muli(1.1f);
      }
      trained = lm.logProbs(List.of(lm.sequence(ids)));
      assertTrue(Golden.distance(before, trained) > 1e-2);
      adapted.activate();
      adapted.export("all", folder, Map.of("made_by", "us"));
      assertEquals(0, Golden.distance(before, lm.logProbs(List.of(lm.sequence(ids)))), "base");
      assertThrows(
          IllegalArgumentException.class, () -> adapted.export("all", base, Map.of()), "the base");
    }
    try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("model.safetensors"));
        SafetensorsFile original = SafetensorsFile.open(base.resolve("model.safetensors"))) {
      assertEquals(original.tensors().keySet(), file.tensors().keySet());
      assertEquals(Map.of("format", "pt", "made_by", "us"), file.metadata());
    }
    assertEquals(Set.of("config.json", "model.safetensors"), names(folder));
    try (CausalLm lm = CausalLm.load(folder, OPTIONS)) {
      assertEquals(0, Golden.distance(trained, lm.logProbs(List.of(lm.sequence(ids)))));
    }
  }

  private static Set<String> names(Path folder) throws IOException {
    try (var entries = Files.list(folder)) {
      return Set.copyOf(entries.map(entry -> entry.getFileName().toString()).toList());
    }
  }

  @Test
  void tiedWeightsAreOneTensor() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama3"), OPTIONS);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("all", new FullConfig(), 1);
      assertTrue(adapter.tensors().containsKey("model.embed_tokens.weight"));
      assertTrue(!adapter.tensors().containsKey("lm_head.weight"));
      assertEquals(0, adapter.addedCount());
    }
  }
}
