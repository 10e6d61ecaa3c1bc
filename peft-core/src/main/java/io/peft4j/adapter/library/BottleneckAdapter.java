package io.peft4j.adapter.library;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.prompt.TrainedLinear;
import io.peft4j.model.module.Activation;
import io.peft4j.model.module.JunctionAdapter;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Ops;

/**
 * One bottleneck, {@code g · s · (W_up f(W_down x + b) + b)}, at a place where a sub-layer's output
 * y joins what went around it, r, under the model's norm N, in the adapters library's forms:
 *
 * <pre>
 * Houlsby    N(y + B(y) + r)
 * Pfeiffer   N(y + B(N(y + r)) + r)
 * parallel   N(y + B(r) + r)
 * </pre>
 */
final class BottleneckAdapter implements JunctionAdapter {

  /**
   * The tensors.
   *
   * @param gate of [1, hidden], or null
   * @param norm weight and bias of a norm of its own, or null
   * @param scaling 0-d, [1] or [hidden]
   */
  record Parts(
      TrainedLinear down,
      TrainedLinear up,
      TrainedLinear gate,
      TrainedLinear norm,
      NDArray scaling) {}

  /** torch's default for a new norm. */
  private static final double EPSILON = 1e-5;

  private final Parts parts;
  private final int layer;
  private final Activation activation;
  private final double dropout;
  private final boolean parallel;
  private final boolean normBefore;
  private final boolean normAfter;
  private final JsonNode residualBefore;
  private final boolean residualInNorm;
  private final int drop;

  BottleneckAdapter(Parts parts, MethodConfig config, int layer) {
    this.parts = parts;
    this.layer = layer;
    this.activation = Activation.named(config.text("non_linearity"));
    this.dropout = config.probability("dropout");
    this.parallel = config.flag("is_parallel");
    this.normBefore = config.flag("original_ln_before");
    this.normAfter = config.flag("original_ln_after");
    this.residualBefore = config.get("residual_before_ln");
    this.residualInNorm = config.flag("adapter_residual_before_ln");
    this.drop = config.integer("adapter_drop");
  }

  @Override
  public boolean runs(Pass pass) {
    return drop == 0 || !pass.training() || layer >= pass.draw(drop + 1);
  }

  @Override
  public boolean readsAllTokens() {
    return parts.gate != null;
  }

  @Override
  public NDArray apply(NDArray hidden, NDArray residual, Norm norm, Pass pass) {
    return given(read(hidden, residual, norm), pass);
  }

  /**
   * What it reads, and what goes around it.
   *
   * @param around of a parallel one what a fusion adds, for it has nothing around it
   */
  record Read(NDArray x, NDArray around) {}

  Read read(NDArray hidden, NDArray residual, Norm norm) {
    if (parallel) {
      return new Read(residual, residual);
    }
    NDArray x = hidden;
    NDArray around = hidden;
    if (normBefore) {
      x = hidden.add(residual);
      boolean afterSum = residualBefore != null && residualBefore.isTextual();
      around = afterSum && norm != null ? x : around;
      x = norm == null ? x : norm.forward(x);
    }
    if (residualBefore == null || (residualBefore.isBoolean() && !residualBefore.asBoolean())) {
      around = x;
    }
    return new Read(x, around);
  }

  /** {@return its output for what it reads, with what goes around it unless it is parallel} */
  NDArray given(Read read, Pass pass) {
    NDArray output = bottleneck(read.x(), pass);
    if (parallel) {
      return normalized(output);
    }
    if (residualInNorm) {
      return normalized(output.add(read.around()));
    }
    return normalized(output).add(read.around());
  }

  boolean isParallel() {
    return parallel;
  }

  private NDArray bottleneck(NDArray x, Pass pass) {
    NDArray up = up(x);
    NDArray output = pass.dropout(up, dropout);
    if (parts.gate == null) {
      return output;
    }
    return output.mul(pass.meanOfExample(Ops.sigmoid(parts.gate.forward(x))));
  }

  /** {@return {@code s · (W_up f(W_down x + b) + b)}} */
  NDArray up(NDArray x) {
    NDArray up = parts.up.forward(activation.apply(parts.down.forward(x)));
    return up.mul(Ops.typedLike(x, parts.scaling));
  }

  private NDArray normalized(NDArray x) {
    return parts.norm == null
        ? x
        : Ops.layerNorm(
            x, Ops.typedLike(x, parts.norm.weight()), Ops.typedLike(x, parts.norm.bias()), EPSILON);
  }

  @Override
  public NDArray join(NDArray hidden, NDArray output, NDArray residual, Norm norm) {
    NDArray sum = parallel ? hidden.add(output) : hidden;
    if (!normAfter) {
      return sum;
    }
    NDArray joined = sum.add(residual);
    return norm == null ? joined : norm.forward(joined);
  }

  @Override
  public Kept kept(long hidden) {
    long inner = parts.down.bias().size();
    long read = normBefore ? 2 * hidden : hidden;
    long gated = parts.gate == null ? 0 : hidden + 2;
    long normalized = parts.norm == null ? 0 : hidden;
    long scaled = hidden;
    return Kept.perToken(
        read + 2 * inner + scaled + gated + normalized + KeptElements.ofDropout(hidden, dropout));
  }

  @Override
  public boolean trainable() {
    return parts.up.weight().hasGradient();
  }
}
