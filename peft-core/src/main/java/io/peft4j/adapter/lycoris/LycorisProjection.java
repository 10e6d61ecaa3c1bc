package io.peft4j.adapter.lycoris;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.peft4j.adapter.method.AdditiveProjection;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.NamePatterns;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Ops;

/** What LoHa and LoKr share: an update made as a matrix, and two kinds of dropout. */
final class LycorisProjection extends AdditiveProjection {

  /** Makes the update of a weight. */
  interface Delta {
    /** {@return float32 [out, in] on {@code like}'s manager} */
    NDArray of(NDArray like);
  }

  /** Of both methods. */
  static final ConfigKeys KEYS =
      ConfigKeys.of("LyCORIS")
          .idle("use_effective_conv2d", "is for convolutions, which no model here has");

  private final Delta delta;
  private final NDArray trained;
  private final double rankDropout;
  private final double moduleDropout;
  private final boolean rescaled;
  private final int matrices;

  /**
   * @param trained one of the trained tensors
   * @param rescaled whether rows that rank dropout leaves are scaled up
   * @param matrices how many matrices of the weight's size the graph of {@code delta} keeps
   */
  LycorisProjection(
      Delta delta, NDArray trained, MethodConfig config, boolean rescaled, int matrices) {
    this.delta = delta;
    this.trained = trained;
    this.rankDropout = config.probability("rank_dropout");
    this.moduleDropout = config.probability("module_dropout");
    this.rescaled = rescaled;
    this.matrices = matrices;
  }

  static void check(MethodConfig config) {
    config.atLeast("r", 1);
    config.probability("rank_dropout");
    config.probability("module_dropout");
    new NamePatterns<>(config.numbers("alpha_pattern"));
    new NamePatterns<>(config.numbers("rank_pattern"));
    config
        .numbers("rank_pattern")
        .forEach(
            (key, rank) -> {
              if (rank < 1 || rank != Math.rint(rank)) {
                throw new IllegalArgumentException(
                    "'rank_pattern': '" + key + "' must be a positive integer, found " + rank);
              }
            });
  }

  /** Ranks and alphas of a config, by module. */
  static final class Sizes {
    private final NamePatterns<Double> ranks;
    private final NamePatterns<Double> alphas;
    private final double r;
    private final double alpha;

    Sizes(MethodConfig config) {
      this.ranks = new NamePatterns<>(config.numbers("rank_pattern"));
      this.alphas = new NamePatterns<>(config.numbers("alpha_pattern"));
      this.r = config.integer("r");
      this.alpha = config.number("alpha");
    }

    int rank(String module) {
      return ranks.of(module, r).intValue();
    }

    double scaling(String module) {
      return alphas.of(module, alpha) / rank(module);
    }
  }

  @Override
  protected NDArray delta(NDArray like) {
    return delta.of(like);
  }

  @Override
  public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
    NDArray matrix = delta.of(x);
    if (pass.training() && rankDropout > 0) {
      NDArray rows = pass.dropout(ones(x, linear.projection().out()), rankDropout);
      // dropout scales what it leaves by 1/(1-p), which this undoes, exactly or on the mean
      NDArray mask = rescaled ? rows.div(rows.mean()) : rows.mul(1 - rankDropout);
      matrix = matrix.mul(mask.expandDims(1));
    }
    if (pass.training() && moduleDropout > 0) {
      matrix = matrix.mul(pass.dropout(ones(x, 1), moduleDropout).mul(1 - moduleDropout));
    }
    return Ops.addLinear(y, x, matrix);
  }

  private static NDArray ones(NDArray x, long n) {
    return x.getManager().ones(new Shape(n));
  }

  /**
   * What the update is made of, and itself, as the input's gradient needs it. Besides a sum beside
   * the projection's output, the unscaled update and its gradients are made.
   */
  @Override
  public Kept kept(long in, long out) {
    long size = in * out;
    return new Kept(0, size, matrices * size).making(out, (3 + matrices) * size);
  }

  @Override
  public boolean trainable() {
    return trained.hasGradient();
  }
}
