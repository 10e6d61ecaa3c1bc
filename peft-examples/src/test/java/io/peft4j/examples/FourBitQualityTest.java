package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.examples.code.JavaSources;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.Linear;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.train.CausalSet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What four bits cost really trained models: tables of docs/quantization.md. */
@Tag("slow")
class FourBitQualityTest {

  /**
   * Four-bit integers as QLoRA and bitsandbytes' {@code get_4bit_type("int4")} have them: levels
   * from -7 to 7. Only the positive ones are given, as parts of the largest.
   */
  private static final float[] INT4 = {1 / 7f, 2 / 7f, 3 / 7f, 4 / 7f, 5 / 7f, 6 / 7f, 1};

  /**
   * Floats of 2 exponent bits and 1 mantissa bit. Those of bitsandbytes, our {@code fp4}, have
   * 1/192 where these have 1/12.
   */
  private static final float[] E2M1 = {1 / 12f, 1 / 6f, 1 / 4f, 1 / 3f, 1 / 2f, 2 / 3f, 1};

  /**
   * What a format makes of a model.
   *
   * @param lossAdded mean loss less the dense model's on the same tokens
   * @param lossError standard error of that
   */
  private record Quality(
      double perplexity,
      double lossAdded,
      double lossError,
      double weightError,
      double logProbError,
      float[] logProbs) {}

  @Test
  void formatsOnCodeLm() throws IOException {
    JavaSources lang3 =
        JavaSources.onClassPath("commons-lang3", "org/apache/commons/lang3/StringUtils.java");
    Path folder = TrainedModels.codeLm();
    Map<String, Quality> found =
        qualities(
            "CodeLm, held-out commons-lang3",
            folder,
            TrainedModels.text(folder, lang3.heldOut()),
            64);
    assertSlight(found);
  }

  /** On the dense model's own samples: text of its kind, which it predicts as well as can be. */
  @ParameterizedTest
  @ValueSource(ints = {64, 256})
  void formatsOnStories(int block) throws IOException {
    Path folder = TrainedModels.shared("models/stories260k");
    List<int[]> samples = new ArrayList<>();
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      GenerationConfig config =
          GenerationConfig.greedy().withMaxNewTokens(200).sampling(1, 0, 1, 0);
      List<int[]> prompts = Collections.nCopies(48, new int[] {1});
      for (Generated text : new Generator(lm).generate(prompts, config, (p, token, t) -> {})) {
        samples.add(IntStream.concat(IntStream.of(1), IntStream.of(text.tokens())).toArray());
      }
    }
    TrainedModels.Text text = lm -> new CausalSet(samples.stream().map(lm::sequence).toList());
    assertOrder(qualities("stories260k, its samples", folder, text, block));
  }

  /**
   * Four bits cost so little here that the text's length leaves the order of perplexities to
   * chance. Its log-probabilities are nearest to the dense model's in NF4.
   */
  private static void assertSlight(Map<String, Quality> found) {
    double dense = found.get("dense").perplexity;
    for (String format : List.of("nf4", "e2m1", "fp4", "int4")) {
      assertEquals(dense, found.get(format).perplexity, 0.01 * dense, format + " of " + found);
      assertTrue(found.get("nf4").logProbError <= found.get(format).logProbError, found.toString());
    }
  }

  /**
   * The QLoRA paper's order: NF4, floats of two exponent bits, integers. bitsandbytes' FP4, which
   * lacks a level, is behind NF4, but not before integers.
   */
  private static void assertOrder(Map<String, Quality> found) {
    List<Quality> order = Stream.of("dense", "nf4", "e2m1", "int4").map(found::get).toList();
    for (int i = 1; i < order.size(); i++) {
      assertTrue(order.get(i - 1).perplexity < order.get(i).perplexity, found.toString());
      assertTrue(order.get(i - 1).logProbError < order.get(i).logProbError, found.toString());
    }
    assertTrue(found.get("nf4").perplexity < found.get("fp4").perplexity, found.toString());
    assertTrue(found.get("nf4").logProbError < found.get("fp4").logProbError, found.toString());
  }

  private static Map<String, Quality> qualities(
      String name, Path folder, TrainedModels.Text text, int block) throws IOException {
    Map<String, Quality> found = new LinkedHashMap<>();
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      CausalSet set = text.of(lm);
      Quality dense = quality(lm, set, null);
      System.out.printf(
          Locale.ROOT,
          "%n| %s, %,d tokens, block %d | weights differ by | log-probabilities by | perplexity | loss added |"
              + "%n|---|---|---|---|---|%n| dense (kurtosis of weights %s) | | | %.3f | |%n",
          name,
          set.labels(),
          block,
          kurtosis(lm),
          dense.perplexity);
      found.put("dense", dense);
      for (QuantType type : List.of(QuantType.NF4, QuantType.FP4)) {
        QuantizationConfig config =
            QuantizationConfig.of(type).withBlockSize(block).withComputeType(FloatType.F32);
        LoadOptions options = LoadOptions.DEFAULT.withFormat(QuantizedFormat.of(config));
        try (CausalLm packed = CausalLm.load(folder, options)) {
          found.put(type.id(), quality(packed, set, dense));
        }
      }
      round(lm, E2M1, block);
      found.put("e2m1", quality(lm, set, dense));
      linears(lm).forEach(linear -> linear.projection().unmerge());
      round(lm, INT4, block);
      found.put("int4", quality(lm, set, dense));
    }
    for (String format : List.of("nf4", "e2m1", "fp4", "int4")) {
      Quality quality = found.get(format);
      System.out.printf(
          Locale.ROOT,
          "| %s | %.4f | %.4f | %.3f | %.4f ± %.4f |%n",
          format,
          quality.weightError,
          quality.logProbError,
          quality.perplexity,
          quality.lossAdded,
          quality.lossError);
    }
    return found;
  }

  private static Quality quality(CausalLm lm, CausalSet set, Quality dense) {
    float[] logProbs = logProbs(lm, set);
    float[] before = dense == null ? logProbs : dense.logProbs;
    int count = logProbs.length;
    double loss = 0;
    double added = 0;
    double square = 0;
    for (int i = 0; i < count; i++) {
      double difference = before[i] - logProbs[i];
      loss -= logProbs[i] / (double) count;
      added += difference / count;
      square += difference * difference / count;
    }
    double error = Math.sqrt((square - added * added) / count);
    return new Quality(Math.exp(loss), added, error, weightError(lm), Math.sqrt(square), logProbs);
  }

  private static float[] logProbs(CausalLm lm, CausalSet set) {
    float[] all = new float[Math.toIntExact(set.labels())];
    int at = 0;
    for (int from = 0; from < set.size(); from += 16) {
      int[] rows = IntStream.range(from, Math.min(set.size(), from + 16)).toArray();
      try (TokenBatch batch = set.batch(lm.model(), rows)) {
        float[] part = lm.model().logProbs(batch);
        System.arraycopy(part, 0, all, at, part.length);
        at += part.length;
      }
    }
    return all;
  }

  private static List<Linear> linears(CausalLm lm) {
    return lm.model().modules().leaves().stream()
        .filter(leaf -> leaf instanceof Linear && !leaf.name().equals("lm_head"))
        .map(Linear.class::cast)
        .toList();
  }

  /** Root mean square of what all weights have become less what they were, as a part of theirs. */
  private static double weightError(CausalLm lm) {
    NDManager manager = lm.model().manager();
    double wrong = 0;
    double all = 0;
    for (Linear linear : linears(lm)) {
      try (NDArray now = linear.projection().weight(manager);
          NDArray was = linear.projection().originalWeight(manager)) {
        float[] values = now.toFloatArray();
        float[] originals = was.toFloatArray();
        for (int i = 0; i < values.length; i++) {
          wrong += (values[i] - originals[i]) * (values[i] - originals[i]);
          all += originals[i] * originals[i];
        }
      }
    }
    return Math.sqrt(wrong / all);
  }

  /** Rounds all weights to the nearest level times the largest magnitude of their block. */
  private static void round(CausalLm lm, float[] levels, int block) {
    NDManager manager = lm.model().manager();
    for (Linear linear : linears(lm)) {
      float[] values;
      try (NDArray weight = linear.projection().storedWeight(manager)) {
        values = weight.toFloatArray();
      }
      for (int start = 0; start < values.length; start += block) {
        int end = Math.min(values.length, start + block);
        float largest = 0;
        for (int i = start; i < end; i++) {
          largest = Math.max(largest, Math.abs(values[i]));
        }
        for (int i = start; i < end; i++) {
          values[i] = largest * nearest(levels, values[i] / largest);
        }
      }
      Shape shape = new Shape(linear.projection().out(), linear.projection().in());
      linear.projection().merge(manager.create(values, shape));
    }
  }

  private static float nearest(float[] levels, float value) {
    float best = 0;
    for (float level : levels) {
      if (Math.abs(Math.abs(value) - level) < Math.abs(Math.abs(value) - best)) {
        best = level;
      }
    }
    return Math.copySign(best, value);
  }

  /** That of a normal distribution is 3. */
  private static String kurtosis(CausalLm lm) {
    double[] sorted =
        linears(lm).stream()
            .mapToDouble(
                linear -> {
                  try (NDArray weight = linear.projection().storedWeight(lm.model().manager())) {
                    return kurtosis(weight.toFloatArray());
                  }
                })
            .sorted()
            .toArray();
    double median = sorted[sorted.length / 2];
    return String.format(Locale.ROOT, "%.1f, at most %.1f", median, sorted[sorted.length - 1]);
  }

  private static double kurtosis(float[] values) {
    double mean = 0;
    for (float value : values) {
      mean += value / values.length;
    }
    double square = 0;
    double fourth = 0;
    for (float value : values) {
      double squared = (value - mean) * (value - mean);
      square += squared / values.length;
      fourth += squared * squared / values.length;
    }
    return fourth / square / square;
  }
}
