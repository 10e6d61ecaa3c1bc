package io.peft4j.adapter.compose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.lora.MersenneTwister;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterOrigin;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Makes one adapter of several. What it makes is an adapter like any other. */
public final class AdapterAlgebra {

  private static final String LORA = ".lora_";

  private AdapterAlgebra() {}

  /**
   * Adds the combination of LoRA adapters under {@code name} and makes it the only active one, with
   * the results of peft's {@code add_weighted_adapter}. Weights may be negative, which takes an
   * adapter's effect away.
   *
   * @param weights of the adapters, by name, in the order they are combined
   * @throws IllegalArgumentException if an adapter is not plain LoRA, ranks differ where they must
   *     not, or several adapters train the same module in full
   */
  public static Adapter combine(
      AdaptedModel model, String name, Map<String, Double> weights, Combination combination) {
    List<Adapter> adapters = adapters(model, weights);
    Combination.Type type = adapters.size() == 1 ? Combination.Type.LINEAR : combination.type();
    Combination settled = combination.withType(type);
    List<LoraConfig> configs = adapters.stream().map(AdapterAlgebra::plainLora).toList();
    int rank = rank(settled, configs);
    LoraConfig config =
        configs.get(0).toBuilder()
            .r(rank)
            .loraAlpha(rank)
            .targetModules(union(configs))
            .alphaPattern(Map.of())
            .rankPattern(Map.of())
            .init(LoraInit.DEFAULT)
            .build();
    checkSavedOnce(adapters);
    Adapter made = model.add(name, config, 0, null, AdapterOrigin.DERIVED);
    made.setTrainable(false);
    double[] factors = weights.values().stream().mapToDouble(Double::doubleValue).toArray();
    try (Autograd.Mode paused = Autograd.pause()) {
      fill(made, adapters, factors, settled, rank);
      return made;
    } catch (RuntimeException e) {
      model.delete(name);
      throw e;
    }
  }

  /**
   * Adds the weighted sum of adapters of equal config, number by number, under {@code name}:
   * weights that sum to one average them (Wortsman et al., 2022), negative ones take away (Ilharco
   * et al., 2023). Any method will do; for LoRA see {@link #combine}, since a sum of factors is not
   * the factors of a sum.
   *
   * @throws IllegalArgumentException if the adapters do not have the same tensors
   */
  public static Adapter average(AdaptedModel model, String name, Map<String, Double> weights) {
    List<Adapter> adapters = adapters(model, weights);
    Adapter first = adapters.get(0);
    Adapter made = model.add(name, first.config(), 0, null, AdapterOrigin.DERIVED);
    made.setTrainable(false);
    try {
      for (Map.Entry<String, NDArray> entry : made.tensors().entrySet()) {
        String key = entry.getKey();
        float[] sum = new float[(int) entry.getValue().size()];
        int i = 0;
        for (double weight : weights.values()) {
          NDArray tensor = adapters.get(i++).tensors().get(key);
          if (tensor == null || !tensor.getShape().equals(entry.getValue().getShape())) {
            throw new IllegalArgumentException(
                String.format(
                    Locale.ROOT,
                    "'%s' has no %s of shape %s, as '%s' has",
                    adapters.get(i - 1).name(),
                    key,
                    entry.getValue().getShape(),
                    first.name()));
          }
          float[] values = tensor.toFloatArray();
          for (int j = 0; j < sum.length; j++) {
            sum[j] += (float) weight * values[j];
          }
        }
        HostTensors.fill(entry.getValue(), sum);
      }
      return made;
    } catch (RuntimeException e) {
      model.delete(name);
      throw e;
    }
  }

  private static List<Adapter> adapters(AdaptedModel model, Map<String, Double> weights) {
    if (weights.isEmpty()) {
      throw new IllegalArgumentException("expected at least one adapter to combine, found none");
    }
    List<Adapter> adapters = weights.keySet().stream().map(model::adapter).toList();
    for (Adapter adapter : adapters) {
      if (!adapter.carried().isEmpty()) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "'%s' comes with tensors of the base (%s), which cannot be combined",
                adapter.name(),
                String.join(", ", adapter.carriedTensors())));
      }
    }
    return adapters;
  }

  private static LoraConfig plainLora(Adapter adapter) {
    if (adapter.config() instanceof LoraConfig config && config.isPlain()) {
      return config;
    }
    throw new IllegalArgumentException(
        "'" + adapter.name() + "': only plain LoRA can be combined so, found " + adapter.config());
  }

  private static int rank(Combination combination, List<LoraConfig> configs) {
    int[] ranks =
        configs.stream()
            .mapToInt(
                config ->
                    config.rankPattern().values().stream()
                        .mapToInt(Integer::intValue)
                        .reduce(config.r(), Math::max))
            .toArray();
    if (combination.type() == Combination.Type.CAT) {
      return Arrays.stream(ranks).sum();
    }
    int largest = Arrays.stream(ranks).max().orElseThrow();
    if (combination.type().ofUpdates()) {
      return combination.svdRank() > 0 ? combination.svdRank() : largest;
    }
    if (Arrays.stream(ranks).distinct().count() > 1) {
      throw new IllegalArgumentException(
          combination.type() + " needs adapters of one rank, found " + Arrays.toString(ranks));
    }
    return largest;
  }

  private static ModuleSelector union(List<LoraConfig> configs) {
    Set<String> names = new LinkedHashSet<>();
    List<String> expressions = new ArrayList<>();
    for (LoraConfig config : configs) {
      if (config.targetModules().regex() != null) {
        expressions.add("(" + config.targetModules().regex() + ")");
      } else {
        names.addAll(config.targetModules().names());
      }
    }
    if (!names.isEmpty() && !expressions.isEmpty()) {
      throw new IllegalArgumentException(
          "target_modules must all be lists or all be expressions, found both");
    }
    if (configs.stream().allMatch(config -> config.targetModules().isAllLinear())) {
      return ModuleSelector.allLinear();
    }
    return names.isEmpty()
        ? ModuleSelector.regex(String.join("|", expressions))
        : ModuleSelector.names(List.copyOf(names));
  }

  private static void checkSavedOnce(List<Adapter> adapters) {
    Set<Object> saved = new HashSet<>();
    for (Adapter adapter : adapters) {
      adapter
          .overlays()
          .keySet()
          .forEach(
              parameter -> {
                if (!saved.add(parameter)) {
                  throw new IllegalArgumentException(
                      parameter.name() + " is trained by several of the adapters to combine");
                }
              });
    }
  }

  private static void fill(
      Adapter made, List<Adapter> adapters, double[] weights, Combination combination, int rank) {
    MersenneTwister random = new MersenneTwister(combination.seed());
    Map<String, String> pairs = pairs(made);
    for (Map.Entry<String, String> pair : pairs.entrySet()) {
      List<Factors> factors = new ArrayList<>();
      for (int i = 0; i < adapters.size(); i++) {
        NDArray a = adapters.get(i).tensors().get(pair.getKey());
        if (a != null) {
          String module = pair.getKey().substring(0, pair.getKey().lastIndexOf(LORA));
          double scaling = ((LoraConfig) adapters.get(i).config()).scalingOf(module);
          NDArray b = adapters.get(i).tensors().get(pair.getValue());
          factors.add(new Factors(a, b, weights[i], scaling));
        }
      }
      NDArray a = made.tensors().get(pair.getKey());
      NDArray b = made.tensors().get(pair.getValue());
      switch (combination.type()) {
        case CAT -> concatenate(factors, a, b);
        case LINEAR, TIES, DARE_LINEAR, DARE_TIES, MAGNITUDE_PRUNE ->
            mergeFactors(factors, a, b, combination, random);
        default -> mergeUpdates(factors, a, b, combination, random, rank);
      }
    }
    // Modules that one of the adapters trains in full come along.
    for (Adapter adapter : adapters) {
      adapter
          .tensors()
          .forEach(
              (key, value) -> {
                NDArray target = made.tensors().get(key);
                if (target != null && !isFactor(key)) {
                  HostTensors.fill(target, value.toFloatArray());
                }
              });
    }
  }

  private static boolean isFactor(String key) {
    return key.contains(".lora_A.") || key.contains(".lora_B.") || key.contains(".lora_embedding_");
  }

  /** {@return the key of each factor A with that of its B} */
  private static Map<String, String> pairs(Adapter adapter) {
    Map<String, String> pairs = new LinkedHashMap<>();
    for (String key : adapter.tensors().keySet()) {
      if (key.endsWith(".lora_A.weight")) {
        pairs.put(key, key.replace(".lora_A.", ".lora_B."));
      } else if (key.endsWith(".lora_embedding_A")) {
        pairs.put(key, key.replace(".lora_embedding_A", ".lora_embedding_B"));
      }
    }
    return pairs;
  }

  /**
   * One adapter's part.
   *
   * @param a [r, in]
   * @param b [out, r]
   */
  private record Factors(NDArray a, NDArray b, double weight, double scaling) {}

  private static void concatenate(List<Factors> factors, NDArray a, NDArray b) {
    int in = (int) a.getShape().get(1);
    int total = (int) a.getShape().get(0);
    int out = (int) b.getShape().get(0);
    float[] rows = new float[total * in];
    float[] columns = new float[out * total];
    int from = 0;
    for (Factors part : factors) {
      int r = (int) part.a.getShape().get(0);
      float[] partA = part.a.toFloatArray();
      float[] partB = part.b.toFloatArray();
      float scale = (float) (part.weight * part.scaling);
      for (int i = 0; i < r * in; i++) {
        rows[from * in + i] = partA[i] * scale;
      }
      for (int row = 0; row < out; row++) {
        System.arraycopy(partB, row * r, columns, row * total + from, r);
      }
      from += r;
    }
    HostTensors.fill(a, rows);
    HostTensors.fill(b, columns);
  }

  /** The weight's root goes to each factor, its sign to A. */
  private static void mergeFactors(
      List<Factors> factors,
      NDArray a,
      NDArray b,
      Combination combination,
      MersenneTwister random) {
    double[] roots =
        factors.stream().mapToDouble(f -> Math.sqrt(Math.abs(f.weight * f.scaling))).toArray();
    double[] signed = new double[roots.length];
    for (int i = 0; i < roots.length; i++) {
      signed[i] = factors.get(i).weight * factors.get(i).scaling >= 0 ? roots[i] : -roots[i];
    }
    float[][] rows = new float[roots.length][];
    float[][] columns = new float[roots.length][];
    for (int i = 0; i < roots.length; i++) {
      Factors part = factors.get(i);
      if (!part.a.getShape().equals(a.getShape())) {
        throw new IllegalArgumentException(
            combination.type()
                + " needs adapters of one rank, found "
                + part.a.getShape()
                + " where "
                + a.getShape()
                + " is expected");
      }
      rows[i] = part.a.toFloatArray();
      columns[i] = part.b.toFloatArray();
    }
    HostTensors.fill(a, combination.merge(rows, signed, random));
    HostTensors.fill(b, combination.merge(columns, roots, random));
  }

  private static void mergeUpdates(
      List<Factors> factors,
      NDArray a,
      NDArray b,
      Combination combination,
      MersenneTwister random,
      int rank) {
    float[][] updates = new float[factors.size()][];
    Shape shape = new Shape(b.getShape().get(0), a.getShape().get(1));
    try (NDManager scope = a.getManager().newSubManager()) {
      for (int i = 0; i < updates.length; i++) {
        Factors part = factors.get(i);
        NDArray product = part.b.matMul(part.a);
        product.attach(scope);
        updates[i] = product.toFloatArray();
        for (int j = 0; j < updates[i].length; j++) {
          updates[i][j] *= (float) part.scaling;
        }
      }
      double[] weights = factors.stream().mapToDouble(Factors::weight).toArray();
      NDList svd = Ops.svd(scope.create(combination.merge(updates, weights, random), shape));
      int kept = (int) Math.min(rank, svd.get(1).size());
      NDArray left = svd.get(0).get(":, :" + kept).mul(svd.get(1).get(":" + kept));
      float[] columns = left.toFloatArray();
      float[] rows = svd.get(2).get(":" + kept).toFloatArray();
      if (combination.svdClamp() > 0) {
        float limit = quantile(columns, rows, combination.svdClamp());
        clamp(columns, limit);
        clamp(rows, limit);
      }
      HostTensors.fill(a, Arrays.copyOf(rows, (int) a.size()));
      HostTensors.fill(b, widened(columns, kept, rank));
    }
  }

  private static float[] widened(float[] columns, int from, int to) {
    int rows = columns.length / from;
    float[] wide = new float[rows * to];
    for (int i = 0; i < rows; i++) {
      System.arraycopy(columns, i * from, wide, i * to, from);
    }
    return wide;
  }

  /** With linear interpolation, as torch has it. */
  private static float quantile(float[] first, float[] second, double q) {
    float[] all = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, all, first.length, second.length);
    Arrays.sort(all);
    double at = q * (all.length - 1);
    int below = (int) Math.floor(at);
    int above = (int) Math.ceil(at);
    return (float) (all[below] + (at - below) * (all[above] - all[below]));
  }

  private static void clamp(float[] values, float limit) {
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.max(-limit, Math.min(limit, values[i]));
    }
  }
}
