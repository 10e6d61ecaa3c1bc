package io.peft4j.adapter.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterKeys;
import io.peft4j.adapter.method.Export;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.method.StepHook;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Ops;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * AdaLoRA's budget of triplets, moved to where they matter: an element's importance is its
 * sensitivity, |p · gradient| smoothed over steps, times the smoothed deviation from that; a
 * triplet's is the sum of its e's and the means of its row of A and its column of B. The budget
 * falls from all triplets to {@code target_r} a projection by a cubic curve, between {@code tinit}
 * steps after the start and {@code tfinal} before the end, as in peft.
 */
final class RankBudget implements StepHook, Export {

  /** A trained tensor and its two running means. */
  private record Tracked(NDArray value, NDArray sensitivity, NDArray uncertainty) {}

  private record Site(
      AdaLoraMethod.Triplets triplets, Tracked a, Tracked e, Tracked b, NDArray kept) {}

  private final MethodConfig config;
  private final Site[] sites;
  private final NDArray allocated;
  private int totalSteps;

  RankBudget(MethodConfig config, List<AdaLoraMethod.Triplets> all, AdapterBuilder builder) {
    this.config = config;
    this.sites =
        all.stream()
            .map(
                triplets ->
                    new Site(
                        triplets,
                        tracked(triplets.module() + ".lora_A", triplets.a(), builder),
                        tracked(triplets.module() + ".lora_E", triplets.e(), builder),
                        tracked(triplets.module() + ".lora_B", triplets.b(), builder),
                        builder.state(triplets.module() + ".kept", new Shape(triplets.e().size()))))
            .toArray(Site[]::new);
    this.allocated = builder.state("allocated", new Shape(1));
  }

  private static Tracked tracked(String key, NDArray value, AdapterBuilder builder) {
    return new Tracked(
        value,
        builder.state(key + ".sensitivity", value.getShape()),
        builder.state(key + ".uncertainty", value.getShape()));
  }

  @Override
  public void begin(int steps) {
    totalSteps = config.get("total_step") == null ? steps : config.integer("total_step");
    if (config.integer("tinit") >= totalSteps - config.integer("tfinal")) {
      throw new IllegalArgumentException(
          "tinit + tfinal must be less than total_step, found "
              + config.integer("tinit")
              + " + "
              + config.integer("tfinal")
              + " and "
              + totalSteps);
    }
  }

  /** The mean over all A and B of |P Pᵀ - I| (Frobenius), times {@code orth_reg_weight}. */
  @Override
  public double beforeUpdate() {
    double weight = config.number("orth_reg_weight") / (2 * sites.length);
    if (weight == 0) {
      return 0;
    }
    double sum = 0;
    for (Site site : sites) {
      sum += orthogonality(site.triplets.a(), false, weight);
      sum += orthogonality(site.triplets.b(), true, weight);
    }
    return weight * sum;
  }

  private static double orthogonality(NDArray matrix, boolean columns, double weight) {
    try (NDManager scope = matrix.getManager().newSubManager();
        Autograd.Mode mode = Autograd.record()) {
      NDArray distance = AdaLoraOps.orthogonality(matrix, columns);
      distance.attach(scope);
      Autograd.backward(distance, scope.create((float) weight));
      return distance.getFloat();
    }
  }

  @Override
  public void afterUpdate(int step, double gradientScale) {
    int last = totalSteps - config.integer("tfinal");
    try (Autograd.Mode paused = Autograd.pause()) {
      if (step < last) {
        for (Site site : sites) {
          for (Tracked tracked : List.of(site.a, site.e, site.b)) {
            observe(tracked, gradientScale);
          }
        }
        int first = config.integer("tinit");
        if (step > first && step % config.integer("deltaT") == 0) {
          double left = 1 - (double) (step - first) / (last - first);
          int target = config.integer("target_r") * sites.length;
          allocate((int) ((triplets() - target) * left * left * left + target));
        }
      } else if (step == last) {
        allocate(config.integer("target_r") * sites.length);
      } else if (allocated.getFloat() != 0) {
        for (Site site : sites) {
          zero(site);
        }
      }
    }
  }

  private int triplets() {
    return Arrays.stream(sites).mapToInt(site -> (int) site.kept.size()).sum();
  }

  private void observe(Tracked tracked, double gradientScale) {
    try (NDArray gradient = Autograd.gradient(tracked.value)) {
      if (gradient != null) {
        AdaLoraOps.observeImportance(
            tracked.value,
            gradient,
            tracked.sensitivity,
            tracked.uncertainty,
            new double[] {gradientScale, config.number("beta1"), config.number("beta2")});
      }
    }
  }

  /** Keeps the {@code budget} most important triplets and zeroes the others. */
  private void allocate(int budget) {
    float[][] scores = new float[sites.length][];
    float[] sorted = new float[triplets()];
    int n = 0;
    for (int i = 0; i < sites.length; i++) {
      scores[i] = scores(sites[i]);
      System.arraycopy(scores[i], 0, sorted, n, scores[i].length);
      n += scores[i].length;
    }
    Arrays.sort(sorted);
    int dropped = Math.max(0, n - budget);
    float threshold = dropped == 0 ? Float.NEGATIVE_INFINITY : sorted[dropped - 1];
    for (int i = 0; i < sites.length; i++) {
      float[] kept = new float[scores[i].length];
      for (int j = 0; j < kept.length; j++) {
        kept[j] = scores[i][j] <= threshold ? 0 : 1;
      }
      HostTensors.fill(sites[i].kept, kept);
      zero(sites[i]);
    }
    HostTensors.fill(allocated, new float[] {1});
  }

  private static float[] scores(Site site) {
    float[] a = importance(site.a);
    float[] e = importance(site.e);
    float[] b = importance(site.b);
    int rank = e.length;
    int in = a.length / rank;
    int out = b.length / rank;
    float[] scores = new float[rank];
    for (int i = 0; i < rank; i++) {
      double row = 0;
      for (int j = 0; j < in; j++) {
        row += a[i * in + j];
      }
      double column = 0;
      for (int j = 0; j < out; j++) {
        column += b[j * rank + i];
      }
      scores[i] = (float) (e[i] + row / in + column / out);
    }
    return scores;
  }

  private static float[] importance(Tracked tracked) {
    try (NDArray product = tracked.sensitivity.mul(tracked.uncertainty)) {
      return product.toFloatArray();
    }
  }

  private static void zero(Site site) {
    try (NDArray column = site.kept.expandDims(1)) {
      Ops.multiplyInPlace(site.triplets.e(), column);
    }
  }

  /** {@return the key of {@code rank_pattern} for a module} */
  static String rankKey(AdapterConfig config, String module) {
    return AdapterKeys.nameOnDisk(config, module) + ".lora_E";
  }

  @Override
  public AdapterConfig config(AdapterConfig own) {
    if (allocated.getFloat() == 0) {
      return withPattern((MethodConfig) own, totalSteps, null);
    }
    ObjectNode pattern = JsonNodeFactory.instance.objectNode();
    for (Site site : sites) {
      ArrayNode kept = pattern.putArray(rankKey(own, site.triplets.module()));
      for (float value : site.kept.toFloatArray()) {
        kept.add(value != 0);
      }
    }
    return withPattern((MethodConfig) own, totalSteps, pattern);
  }

  @Override
  public Map<String, NDArray> tensors(Map<String, NDArray> all, NDManager scope) {
    Map<String, NDArray> left = new LinkedHashMap<>(all);
    if (allocated.getFloat() == 0) {
      return left;
    }
    for (Site site : sites) {
      float[] kept = site.kept.toFloatArray();
      long[] indices = new long[kept.length];
      int n = 0;
      for (int i = 0; i < kept.length; i++) {
        if (kept[i] != 0) {
          indices[n++] = i;
        }
      }
      String key = site.triplets.module() + ".lora_";
      if (n == 0) {
        List.of("A", "E", "B").forEach(part -> left.remove(key + part));
        continue;
      }
      NDArray index = scope.create(Arrays.copyOf(indices, n));
      left.put(key + "A", attached(Ops.pick(site.triplets.a(), index), scope));
      left.put(key + "E", attached(Ops.pick(site.triplets.e(), index), scope));
      NDArray columns = attached(site.triplets.b().transpose(), scope);
      NDArray picked = attached(Ops.pick(columns, index), scope);
      left.put(key + "B", attached(Ops.contiguous(picked.transpose()), scope));
    }
    return left;
  }

  private static NDArray attached(NDArray array, NDManager scope) {
    array.attach(scope);
    return array;
  }

  /** {@return {@code config} with the triplets that are left} */
  private static MethodConfig withPattern(MethodConfig config, int totalSteps, ObjectNode pattern) {
    MethodConfig told =
        config.get("total_step") == null ? config.with("total_step", totalSteps) : config;
    return told.with("rank_pattern", pattern);
  }
}
