package io.peft4j.adapter.library;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.method.StepHook;
import io.peft4j.adapter.prompt.TrainedLinear;
import io.peft4j.model.Model;
import io.peft4j.model.module.JunctionAdapter;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Norm;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.DoubleSupplier;

/**
 * AdapterFusion (Pfeiffer et al., 2021): at each place of several trained bottlenecks, attention
 * over what they give. With q what the last of them reads and uᵢ what the i-th gives,
 *
 * <pre>
 * V Σ pᵢ uᵢ + around        p = softmax((W_q q + b) · (W_k uᵢ + b))
 * </pre>
 *
 * goes on in place of the last one's output. The bottlenecks are frozen; they have to be on the
 * model before, under the names that {@code adapter_names} has.
 *
 * <p>Files are those of the adapters library: {@code adapter_fusion_config.json}, and {@code
 * JUNCTION.adapter_fusion_layer.NAME.query.weight} and so on in {@code
 * model_adapter_fusion.safetensors}.
 */
public final class FusionMethod extends LibraryMethod {

  /** The library's {@code dynamic} form. */
  private static final String CONFIG =
      """
      {"adapter_names": [], "key": true, "query": true, "value": true, "query_before_ln": false,
       "regularization": true, "residual_before": false, "temperature": false,
       "value_before_softmax": true, "value_initialized": true, "dropout_prob": null}
      """;

  /** What the library multiplies |V - I|² by, to add it to the loss. */
  private static final double REGULARIZATION = 0.01;

  public FusionMethod() {
    super("FUSION", CONFIG, "adapter_fusion_config.json", "model_adapter_fusion.safetensors");
  }

  @Override
  public boolean composes() {
    return true;
  }

  @Override
  boolean recognizesConfig(ObjectNode config) {
    return config.has("value_before_softmax");
  }

  @Override
  boolean owns(String key) {
    return key.contains(".adapter_fusion_layer.");
  }

  @Override
  protected void check(MethodConfig config) {
    if (config.texts("adapter_names").size() < 2) {
      throw new IllegalArgumentException(
          "'adapter_names': expected at least two adapters, found " + config.get("adapter_names"));
    }
    if (config.flag("temperature")) {
      throw new IllegalArgumentException("'temperature': a softmax that cools is not supported");
    }
    if (!config.flag("query") && !config.flag("key") && !config.flag("value")) {
      throw new IllegalArgumentException("one of query, key and value must be true");
    }
    if (config.get("dropout_prob") != null) {
      config.probability("dropout_prob");
    }
  }

  @Override
  protected MethodConfig complete(MethodConfig config, Model model) {
    String names = String.join(",", config.texts("adapter_names"));
    MethodConfig named = config.get("name") == null ? config.with("name", names) : config;
    return super.complete(named, model);
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    double dropout =
        config.get("dropout_prob") != null
            ? config.probability("dropout_prob")
            : builder.model().config().json().path("attention_probs_dropout_prob").asDouble(0);
    List<NDArray> values = new ArrayList<>();
    for (Bottlenecks place : Bottlenecks.of(config.texts("adapter_names"), builder)) {
      String at = place.junction().name() + ".adapter_fusion_layer." + config.text("name") + ".";
      long hidden = builder.model().sizes().hidden();
      TrainedLinear query = linear(config, "query", at, hidden, builder);
      TrainedLinear key = linear(config, "key", at, hidden, builder);
      NDArray value = config.flag("value") ? value(config, at, hidden, builder) : null;
      if (value != null) {
        values.add(value);
      }
      builder.adapt(
          place.junction(), new Fusion(place.adapters(), query, key, value, config, dropout));
    }
    if (config.flag("regularization") && !values.isEmpty()) {
      builder.hook(new Regularization(values));
    }
  }

  private static TrainedLinear linear(
      MethodConfig config, String part, String at, long hidden, AdapterBuilder builder) {
    if (!config.flag(part)) {
      return null;
    }
    SplittableRandom random = builder.random(at + part);
    return new TrainedLinear(
        builder.drawn(at + part + ".weight", () -> 0.02 * random.nextGaussian(), hidden, hidden),
        builder.zeros(at + part + ".bias", hidden));
  }

  /** Close to the identity, or noise. */
  private static NDArray value(
      MethodConfig config, String at, long hidden, AdapterBuilder builder) {
    SplittableRandom random = builder.random(at + "value");
    long[] next = {0};
    DoubleSupplier weights =
        config.flag("value_initialized")
            ? () -> next[0]++ % (hidden + 1) == 0 ? 1 : 1e-6
            : () -> 0.02 * random.nextGaussian();
    return builder.drawn(at + "value.weight", weights, hidden, hidden);
  }

  /** The attention at one place. */
  private static final class Fusion implements JunctionAdapter {
    private final List<BottleneckAdapter> adapters;
    private final TrainedLinear query;
    private final TrainedLinear key;
    private final NDArray value;
    private final boolean queryBeforeNorm;
    private final boolean residualBefore;
    private final double dropout;

    /** Parts that the config leaves out are null. */
    Fusion(
        List<BottleneckAdapter> adapters,
        TrainedLinear query,
        TrainedLinear key,
        NDArray value,
        MethodConfig config,
        double dropout) {
      this.adapters = adapters;
      this.query = query;
      this.key = key;
      this.value = value;
      this.queryBeforeNorm = config.flag("query_before_ln");
      this.residualBefore = config.flag("residual_before");
      this.dropout = dropout;
    }

    private BottleneckAdapter last() {
      return adapters.get(adapters.size() - 1);
    }

    @Override
    public NDArray apply(NDArray hidden, NDArray residual, Norm norm, Pass pass) {
      BottleneckAdapter.Read read = last().read(hidden, residual, norm);
      NDList given = new NDList();
      for (BottleneckAdapter adapter : adapters) {
        NDArray up = adapter.up(read.x());
        given.add(residualBefore ? up.add(read.around()) : up);
      }
      NDArray all = NDArrays.stack(given, -2); // [.., adapters, hidden]
      NDArray scores = pass.dropout(scores(all, query(hidden, read)), dropout);
      NDArray context = FusionOps.fusionContext(scores, all);
      if (value != null) {
        // The library puts V before the sum: the same, for a part of the work.
        context = Ops.linear(context, Ops.typedLike(context, value), null);
      }
      return residualBefore ? context : context.add(read.around());
    }

    private NDArray query(NDArray hidden, BottleneckAdapter.Read read) {
      NDArray state = last().isParallel() || !queryBeforeNorm ? read.x() : hidden;
      return query == null ? state : query.forward(state);
    }

    /** {@return q · (W_k uᵢ + b) as (W_kᵀ q) · uᵢ + q · b, which multiplies once for all i} */
    private NDArray scores(NDArray all, NDArray q) {
      if (key == null) {
        return FusionOps.fusionScores(all, q);
      }
      NDArray turned = q.matMul(Ops.typedLike(q, key.weight()));
      NDArray shift = q.mul(Ops.typedLike(q, key.bias())).sum(new int[] {-1}, true);
      return FusionOps.fusionScores(all, turned).add(shift);
    }

    @Override
    public NDArray join(NDArray hidden, NDArray output, NDArray residual, Norm norm) {
      return last().join(hidden, output, residual, norm);
    }

    /** What the bottlenecks give, all of it, with scores; queries, keys and values around them. */
    @Override
    public Kept kept(long hidden) {
      int n = adapters.size();
      Kept around = Kept.perToken(n * (hidden + 3) + 5 * hidden);
      return adapters.stream().map(adapter -> adapter.kept(hidden)).reduce(around, Kept::plus);
    }

    @Override
    public boolean trainable() {
      NDArray first = query != null ? query.weight() : key != null ? key.weight() : value;
      return first.hasGradient();
    }
  }

  /** Keeps V near the identity: adds {@value #REGULARIZATION} |V - I|² to the loss. */
  private record Regularization(List<NDArray> values) implements StepHook {

    @Override
    public void begin(int totalSteps) {}

    @Override
    public double beforeUpdate() {
      double sum = 0;
      for (NDArray value : values) {
        try (NDManager scope = value.getManager().newSubManager();
            Autograd.Mode mode = Autograd.record()) {
          NDArray identity = scope.eye((int) value.getShape().get(0));
          NDArray distance = value.sub(identity).square().sum();
          distance.attach(scope);
          Autograd.backward(distance, scope.create((float) REGULARIZATION));
          sum += REGULARIZATION * distance.getFloat();
        }
      }
      return sum;
    }

    @Override
    public void afterUpdate(int step, double gradientScale) {}
  }
}
