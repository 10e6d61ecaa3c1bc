package io.peft4j.examples;

import io.peft4j.quant.QuantizationConfig;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What QLoRA on a Llama-shaped model takes in memory, in bytes, term by term, from its shape alone.
 *
 * @param weights codes of the linear layers, and embedding and head in bfloat16
 * @param constants scales of the codes
 * @param adapters LoRA's factors, float32
 * @param optimizer their gradients and AdamW's two moments, float32
 * @param activations inputs of all layers, what one layer (with checkpointing) or all keep, and
 *     what one holds while its gradient is computed
 * @param workspace one layer's dense weights, and the logits of a chunk, for each pass
 */
public record MemoryPlan(
    long weights, long constants, long adapters, long optimizer, long activations, long workspace) {

  /** Rows whose logits exist together. */
  private static final long CHUNK = 256;

  /** What a layer holds while its gradient is computed, beside what its forward pass kept. */
  private static final long PASSING = 3;

  /**
   * The shape of a model.
   *
   * @param keyWidth columns of keys and values
   */
  public record Shape(long layers, long hidden, long keyWidth, long intermediate, long vocabulary) {
    long layerWeights() {
      return 2 * hidden * hidden + 2 * hidden * keyWidth + 3 * hidden * intermediate;
    }

    /** {@return inputs and outputs of a layer's projections together} */
    long layerWidths() {
      return 4 * hidden + 2 * (hidden + keyWidth) + 3 * (hidden + intermediate);
    }
  }

  /** The published shapes of Llama, by billions of parameters. */
  public static final Map<String, Shape> LLAMAS = llamas();

  private static Map<String, Shape> llamas() {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    shapes.put("7B", new Shape(32, 4096, 4096, 11008, 32000));
    shapes.put("13B", new Shape(40, 5120, 5120, 13824, 32000));
    shapes.put("33B", new Shape(60, 6656, 6656, 17920, 32000));
    shapes.put("70B", new Shape(80, 8192, 1024, 28672, 32000));
    return shapes;
  }

  /**
   * @param tokens in a batch
   * @param recompute whether layers are run again in the backward pass
   * @param passes how many parts of a batch run at the same time: 1, or 2 of half the tokens each
   */
  public static MemoryPlan of(
      Shape shape,
      QuantizationConfig config,
      int rank,
      long tokens,
      boolean recompute,
      int passes) {
    long packed = shape.layers * shape.layerWeights();
    long codes = config.type().is4Bit() ? packed / 2 : packed;
    long scales = config.type().is4Bit() ? packed / config.blockSize() : 0;
    // a nested scale is a byte, with 4 more for each 256
    long constants = config.doubleQuant() ? scales + scales / 64 : 4 * scales;
    long factors = shape.layers * rank * shape.layerWidths();
    long input = 2 * tokens * shape.hidden;
    // per token: normalized input, q, k, v and them turned, attention, two sums, gate, up,
    // products;
    // and what two norms keep. Checked by what a 100 M Llama takes at 256 to 2,048 tokens.
    long graph = 2 * tokens * (12 * shape.hidden + 4 * shape.keyWidth + 4 * shape.intermediate);
    return new MemoryPlan(
        codes + 2 * 2 * shape.vocabulary * shape.hidden,
        constants,
        4 * factors,
        12 * factors,
        shape.layers * input + ((recompute ? 1 : shape.layers) + PASSING) * graph,
        passes * (2 * shape.layerWeights() + 10 * CHUNK * shape.vocabulary));
  }

  /** {@return all terms together} */
  public long total() {
    return weights + constants + adapters + optimizer + activations + workspace;
  }

  /** {@return what training adds to a model that is loaded} */
  public long added() {
    return adapters + optimizer + activations + workspace;
  }

  /** {@return the largest number of tokens in a batch that fits, or 0} */
  static long tokensWithin(Shape shape, QuantizationConfig config, int rank, long bytes) {
    long fixed = of(shape, config, rank, 0, true, 1).total();
    long perThousand = of(shape, config, rank, 1000, true, 1).total() - fixed;
    return Math.max(0, (bytes - fixed) * 1000 / perThousand);
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "weights %d MB + quantization constants %d + adapters %d + optimizer %d + activations %d"
            + " + workspace %d = %d MB",
        weights / 1_000_000,
        constants / 1_000_000,
        adapters / 1_000_000,
        optimizer / 1_000_000,
        activations / 1_000_000,
        workspace / 1_000_000,
        total() / 1_000_000);
  }

  /**
   * {@return the table of the guide: Llamas on GPUs of 24, 48 and 80 GB, batch 1 of 2,048 tokens}
   */
  static String table(QuantizationConfig config, int rank) {
    StringBuilder table =
        new StringBuilder(
            "| GB | weights | quantization constants | adapters | optimizer | activations | workspace"
                + " | total | tokens in 24 GB | 48 GB | 80 GB |\n"
                + "|---|---|---|---|---|---|---|---|---|---|---|\n");
    LLAMAS.forEach(
        (name, shape) -> {
          MemoryPlan plan = of(shape, config, rank, 2048, true, 1);
          table.append(
              String.format(
                  Locale.ROOT,
                  "| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f | %.1f | %s | %s | %s |%n",
                  name,
                  plan.weights / 1e9,
                  plan.constants / 1e9,
                  plan.adapters / 1e9,
                  plan.optimizer / 1e9,
                  plan.activations / 1e9,
                  plan.workspace / 1e9,
                  plan.total() / 1e9,
                  fit(shape, config, rank, 24),
                  fit(shape, config, rank, 48),
                  fit(shape, config, rank, 80)));
        });
    return table.toString();
  }

  private static String fit(Shape shape, QuantizationConfig config, int rank, long gigabytes) {
    long tokens = tokensWithin(shape, config, rank, gigabytes * 1_000_000_000);
    return tokens == 0 ? "–" : String.format(Locale.ROOT, "%,d", tokens / 100 * 100);
  }
}
