package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.target.NamePatterns;
import io.peft4j.adapter.target.TargetMatcher;
import io.peft4j.model.Model;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * LoRA: factors A [r, in] and B [out, r] beside each targeted projection, lora_embedding_A [r,
 * rows] and lora_embedding_B [dim, r] beside each targeted embedding; with DoRA a magnitude
 * besides.
 */
public final class LoraMethod implements AdapterMethod {

  /** For {@link java.util.ServiceLoader}. */
  public LoraMethod() {}

  @Override
  public String peftType() {
    return "LORA";
  }

  @Override
  public AdapterConfig parse(ObjectNode json) {
    return LoraConfig.ofJson(json);
  }

  @Override
  public ConfigKeys keys() {
    return LoraConfigJson.KEYS;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("r", "rank_pattern");
  }

  @Override
  public Set<Class<? extends Module>> kinds() {
    return LoraConfig.KINDS;
  }

  @Override
  public boolean actsOnce() {
    return true;
  }

  @Override
  public List<String> parameterNames() {
    return List.of(
        "lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector");
  }

  /** peft's DoRA has had its magnitudes as weights of a module since 0.11, in files as before. */
  @Override
  public String keyOf(String name) {
    return name.endsWith(".lora_magnitude_vector.weight")
        ? name.substring(0, name.lastIndexOf('.'))
        : name;
  }

  @Override
  public List<String> unknownKeys(AdapterConfig config) {
    return LoraConfigJson.unknownKeys(((LoraConfig) config).other());
  }

  @Override
  public AdapterConfig settle(AdapterConfig config, Model model) {
    return WeightTying.settle(settle((LoraConfig) config, model.config().modelType()), model);
  }

  /**
   * {@return {@code config} with the targets that peft takes for a model family where none are
   * given}
   *
   * @throws IllegalArgumentException if there is no default for that family
   */
  public static LoraConfig settle(LoraConfig config, String modelType) {
    LoraConfig.Builder settled = config.toBuilder().modulesToSave(config.targets().savedWithHead());
    if (config.targetModules() == null) {
      settled.targetModules(TargetMatcher.defaults(config.peftType(), modelType));
    }
    return settled.build();
  }

  @Override
  public void build(AdapterConfig config, AdapterBuilder builder) {
    LoraConfig lora = (LoraConfig) config;
    checkInit(lora.init(), builder);
    Set<Module> adapted = new LinkedHashSet<>(builder.targets(lora.targets(), LoraConfig.KINDS));
    List<String> names = adapted.stream().map(Module::name).toList();
    builder.checkPatterns("rank_pattern", lora.rankPattern(), names);
    builder.checkPatterns("alpha_pattern", lora.alphaPattern(), names);
    Sizes sizes = new Sizes(lora);
    boolean tied = WeightTying.adapts(lora, builder.model());
    if (tied) {
      adapted.remove(WeightTying.head(builder.model()));
    }
    for (Module module : adapted) {
      try (Autograd.Mode paused = Autograd.pause()) {
        if (module instanceof Linear linear) {
          builder.adapt(linear, projection(lora, sizes, linear, builder));
        } else if (module instanceof Embedding embedding) {
          builder.adapt(embedding, embedding(lora, sizes, embedding, builder));
        }
      }
    }
    if (tied) {
      adaptTiedHead(lora, builder);
    }
    builder.trainSavedModules(lora.targets());
    if (WeightTying.saves(lora, builder.model())) {
      Parameter words = builder.model().words().weight();
      Parameter head = WeightTying.head(builder.model()).weight();
      builder.share(head, words);
      builder.mirror(head.name(), builder.trainedCopy(words), false);
    }
    trainBiases(lora, adapted, builder);
  }

  private static void checkInit(LoraInit init, AdapterBuilder builder) {
    if (builder.isNew() && init.onlyTrained()) {
      throw new IllegalArgumentException(
          "init_lora_weights "
              + init.toJson()
              + " is not how new adapters can start here: expected true, false, gaussian, pissa,"
              + " olora or loftq");
    }
    if (builder.isTrained() && init == LoraInit.LOFTQ) {
      throw new IllegalArgumentException(
          "init_lora_weights loftq: put weights of its own 4 bits in place of the base's, as peft"
              + " does again when it loads this; here the base stays as it is");
    }
  }

  /** Ranks and scalings of a config, by module, as {@link LoraConfig#rankOf} gives single ones. */
  private static final class Sizes {
    private final LoraConfig config;
    private final NamePatterns<Integer> ranks;
    private final NamePatterns<Double> alphas;

    Sizes(LoraConfig config) {
      this.config = config;
      this.ranks = new NamePatterns<>(config.rankPattern());
      this.alphas = new NamePatterns<>(config.alphaPattern());
    }

    int rank(String module) {
      return ranks.of(module, config.r());
    }

    double scaling(String module) {
      return config.scaling(rank(module), alphas.of(module, config.loraAlpha()));
    }
  }

  private static LoraProjection projection(
      LoraConfig config, Sizes sizes, Linear linear, AdapterBuilder builder) {
    String name = linear.name();
    long in = linear.projection().in();
    long out = linear.projection().out();
    int rank = sizes.rank(name);
    double scaling = sizes.scaling(name);
    String keyA = name + ".lora_A.weight";
    String keyB = name + ".lora_B.weight";
    builder.expect(keyA, rank, in);
    builder.expect(keyB, out, rank);
    SplittableRandom random = builder.random(name);
    NDArray a;
    NDArray b;
    switch (config.init()) {
      case GAUSSIAN -> {
        a = builder.drawn(keyA, () -> random.nextGaussian() / rank, rank, in);
        b = builder.zeros(keyB, out, rank);
      }
      case RANDOM -> {
        a = builder.drawn(keyA, () -> uniform(random, in), rank, in);
        b = builder.drawn(keyB, () -> uniform(random, rank), out, rank);
      }
      case PISSA, OLORA -> {
        try (NDManager scope = builder.manager().newSubManager()) {
          NDArray weight = original(linear, scope);
          LoraFactors.Split split =
              config.init() == LoraInit.PISSA
                  ? LoraFactors.pissa(weight, rank, scaling)
                  : LoraFactors.olora(weight, rank, scaling);
          a = builder.trained(keyA, keep(split.a(), builder));
          b = builder.trained(keyB, keep(split.b(), builder));
          builder.leave(linear, split.residual());
        }
      }
      case LOFTQ -> {
        try (NDManager scope = builder.manager().newSubManager()) {
          LoraFactors.Split split = LoraFactors.pissa(lost(linear, scope), rank, scaling);
          a = builder.trained(keyA, keep(split.a(), builder));
          b = builder.trained(keyB, keep(split.b(), builder));
        }
      }
      default -> {
        a = builder.drawn(keyA, () -> uniform(random, in), rank, in);
        b = builder.zeros(keyB, out, rank);
      }
    }
    NDArray bias = config.loraBias() ? builder.zeros(name + ".lora_B.bias", out) : null;
    LoraFactors factors = new LoraFactors(a, b, bias, scaling, builder.manager());
    return new LoraProjection(
        factors,
        false,
        magnitude(config, linear, factors, builder),
        config.loraDropout(),
        scope -> builder.left(linear, scope));
  }

  /** {@return DoRA's magnitude for a projection, or null for plain LoRA} */
  private static DoraMagnitude magnitude(
      LoraConfig config, Linear linear, LoraFactors factors, AdapterBuilder builder) {
    if (!config.useDora()) {
      return null;
    }
    try (NDManager scope = builder.manager().newSubManager()) {
      NDArray left = builder.left(linear, scope);
      NDArray weight = left != null ? left : linear.projection().weight(scope);
      NDArray norms = DoraMagnitude.rowNorms(weight, factors.delta(scope));
      return new DoraMagnitude(
          builder.trained(linear.name() + ".lora_magnitude_vector", keep(norms, builder)),
          keep(DoraMagnitude.rowSquares(weight), builder));
    }
  }

  /** The embedding's factors, which its head uses turned around: A is the other's Bᵀ, B its Aᵀ. */
  private static void adaptTiedHead(LoraConfig config, AdapterBuilder builder) {
    Embedding words = builder.model().words();
    Linear head = WeightTying.head(builder.model());
    NDArray a = builder.tensor(words.name() + ".lora_embedding_A");
    NDArray b = builder.tensor(words.name() + ".lora_embedding_B");
    builder.mirror(head.name() + ".lora_A.weight", b, true);
    builder.mirror(head.name() + ".lora_B.weight", a, true);
    try (Autograd.Mode paused = Autograd.pause();
        NDManager scope = builder.manager().newSubManager()) {
      LoraFactors factors =
          new LoraFactors(a, b, null, config.scalingOf(head.name()), builder.manager());
      DoraMagnitude magnitude = magnitude(config, head, factors.turned(scope), builder);
      builder.adapt(
          head, new LoraProjection(factors, true, magnitude, config.loraDropout(), none -> null));
      builder.tie(head, words, config.mergesTied(head, words));
    }
  }

  private static LoraEmbedding embedding(
      LoraConfig config, Sizes sizes, Embedding embedding, AdapterBuilder builder) {
    if (config.init().takesFromBase()) {
      throw new IllegalArgumentException(
          "init_lora_weights "
              + config.init().toJson()
              + " is for linear layers; "
              + embedding.name()
              + " is an embedding");
    }
    String name = embedding.name();
    long rows = embedding.weight().shape().get(0);
    long dim = embedding.weight().shape().get(1);
    int rank = sizes.rank(name);
    SplittableRandom random = builder.random(name);
    String keyA = name + ".lora_embedding_A";
    NDArray a =
        config.init() == LoraInit.RANDOM
            ? builder.drawn(keyA, random::nextGaussian, rank, rows)
            : builder.zeros(keyA, rank, rows);
    NDArray b = builder.drawn(name + ".lora_embedding_B", random::nextGaussian, dim, rank);
    LoraFactors factors = new LoraFactors(a, b, null, sizes.scaling(name), builder.manager());
    DoraMagnitude magnitude = null;
    if (config.useDora()) {
      try (NDManager scope = builder.manager().newSubManager();
          NDArray wide = Ops.toFloat32(embedding.weight().value())) {
        NDArray columns = wide.transpose();
        columns.attach(scope);
        NDArray norms = DoraMagnitude.rowNorms(columns, factors.delta(scope));
        magnitude =
            new DoraMagnitude(
                builder.trained(name + ".lora_magnitude_vector", keep(norms, builder)),
                keep(DoraMagnitude.rowSquares(columns), builder));
      }
    }
    return new LoraEmbedding(factors, magnitude);
  }

  /** Uniform in ±1/√n: Kaiming's bound for a = √5, as torch initializes linear layers. */
  private static double uniform(SplittableRandom random, long n) {
    return (2 * random.nextDouble() - 1) / Math.sqrt(n);
  }

  private static NDArray keep(NDArray array, AdapterBuilder builder) {
    array.attach(builder.manager());
    return array;
  }

  /** The weight before it was quantized, if it was and that is at hand. */
  private static NDArray original(Linear linear, NDManager scope) {
    NDArray original = linear.projection().originalWeight(scope);
    return original != null ? original : linear.projection().storedWeight(scope);
  }

  /** What quantization took from a weight. */
  private static NDArray lost(Linear linear, NDManager scope) {
    NDArray original = linear.weight() != null ? null : linear.projection().originalWeight(scope);
    if (original == null) {
      throw new IllegalArgumentException(
          linear.name()
              + ": init_lora_weights loftq needs a base that is quantized while it is loaded from its"
              + " dense checkpoint");
    }
    return original.sub(linear.projection().storedWeight(scope));
  }

  private static void trainBiases(LoraConfig config, Set<Module> adapted, AdapterBuilder builder) {
    if (config.bias() == LoraConfig.Bias.NONE) {
      return;
    }
    for (Module module : builder.model().modules().leaves()) {
      boolean wrapped = adapted.contains(module);
      if (config.bias() == LoraConfig.Bias.LORA_ONLY && !wrapped) {
        continue;
      }
      for (Parameter parameter : module.parameters()) {
        if (parameter.name().endsWith(".bias")) {
          // peft's adapted layers hold the original one as "base_layer".
          builder.train(parameter, wrapped ? module.name() + ".base_layer.bias" : parameter.name());
        }
      }
    }
  }
}
