package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdditiveProjection;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * VeRA (Kopiczko et al., 2024): {@code y + b · B (d · A x)}, where A [r, largest in] and B [largest
 * out, r] are random, frozen and shared by all projections, and only the vectors b and d are
 * trained.
 *
 * <p>On disk {@code MODULE.vera_lambda_b} [out], {@code MODULE.vera_lambda_d} [r], and, unless
 * {@code save_projection} is false, {@code vera_A} and {@code vera_B}; those can always be drawn
 * again.
 */
public final class VeraMethod extends DocumentMethod {

  private static final String A = "vera_A";
  private static final String B = "vera_B";

  private static final ConfigKeys KEYS =
      ConfigKeys.of("VeRA").idle("fan_in_fan_out", "weights are turned when the base is loaded");

  private static final Pattern ONLY_LIVE = Pattern.compile(".\\.vera_[AB]\\.[^.]+$");

  public VeraMethod() {
    super(
        "VERA",
        """
        {"target_modules": null, "modules_to_save": null, "layers_to_transform": null,
         "layers_pattern": null, "r": 256, "projection_prng_key": 0, "save_projection": true,
         "vera_dropout": 0.0, "d_initial": 0.1, "fan_in_fan_out": false, "bias": "none",
         "init_weights": true}
        """);
  }

  @Override
  public ConfigKeys keys() {
    return KEYS;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("r");
  }

  @Override
  public List<String> parameterNames() {
    return List.of("vera_A", "vera_B", "vera_lambda_b", "vera_lambda_d");
  }

  /** Its factors at each layer. */
  @Override
  public boolean isOnlyLive(String name) {
    return ONLY_LIVE.matcher(name).find();
  }

  @Override
  public String onDisk(String key) {
    return key.equals(A) || key.equals(B) ? "base_model." + key : super.onDisk(key);
  }

  @Override
  protected void check(MethodConfig config) {
    config.atLeast("r", 1);
    config.probability("vera_dropout");
    if (!"none".equals(config.text("bias"))) {
      throw new IllegalArgumentException(
          "'bias': expected none, which is all that peft's VeRA does, found " + config.get("bias"));
    }
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    int rank = config.integer("r");
    List<Module> modules = builder.targets(config, Set.of(Linear.class));
    long in = modules.stream().mapToLong(m -> ((Linear) m).projection().in()).max().orElseThrow();
    long out = modules.stream().mapToLong(m -> ((Linear) m).projection().out()).max().orElseThrow();
    for (Module module : modules) {
      builder.expect(module.name() + ".vera_lambda_d", rank); // A and B need not be in the file
    }
    MersenneTwister random = new MersenneTwister(config.integer("projection_prng_key"));
    boolean saved = config.flag("save_projection");
    NDArray a = frozen(builder, saved ? A : null, random, in, rank, in);
    NDArray b = frozen(builder, saved ? B : null, random, rank, out, rank);
    boolean init = config.flag("init_weights");
    double start = config.number("d_initial");
    for (Module module : modules) {
      Linear linear = (Linear) module;
      String key = linear.name() + ".vera_lambda_";
      var drawn = builder.random(key);
      NDArray lambdaD = builder.drawn(key + "d", () -> init ? start : drawn.nextGaussian(), rank);
      NDArray lambdaB = builder.drawn(key + "b", () -> init ? 0 : 1, linear.projection().out());
      Vectors vectors = new Vectors(a, b, lambdaD, lambdaB);
      builder.adapt(linear, new Scaled(vectors, config.number("vera_dropout")));
    }
  }

  /** Uniform in ±√(6 / fan in) (He et al., 2015), in the order that torch draws. */
  private static NDArray frozen(
      AdapterBuilder builder, String key, MersenneTwister random, long fanIn, long... shape) {
    float bound = (float) Math.sqrt(6.0 / fanIn);
    return builder.frozen(key, () -> Math.fma(random.nextFloat(), 2 * bound, -bound), shape);
  }

  private record Vectors(NDArray a, NDArray b, NDArray lambdaD, NDArray lambdaB) {}

  private static final class Scaled extends AdditiveProjection {
    private final Vectors vectors;
    private final double dropout;

    Scaled(Vectors vectors, double dropout) {
      this.vectors = vectors;
      this.dropout = dropout;
    }

    @Override
    public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
      return VeraOps.vera(
          y, pass.dropout(x, dropout), vectors.a, vectors.b, vectors.lambdaD, vectors.lambdaB);
    }

    @Override
    protected NDArray delta(NDArray like) {
      return VeraOps.veraDelta(like, vectors.a, vectors.b, vectors.lambdaD, vectors.lambdaB);
    }

    /** What the two vectors scale, and the mask; frozen factors keep nothing. */
    @Override
    public Kept kept(long in, long out) {
      return Kept.perToken(vectors.lambdaD.size() + out + (dropout > 0 ? in : 0));
    }

    @Override
    public boolean keepsInput() {
      return false;
    }

    @Override
    public boolean trainable() {
      return vectors.lambdaB.hasGradient();
    }
  }
}
