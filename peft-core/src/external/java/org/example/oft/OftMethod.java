package org.example.oft;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.ConfigKeys;
import io.peft4j.adapter.method.DocumentMethod;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import io.peft4j.model.module.ProjectionAdapter;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Script;
import java.util.List;
import java.util.Set;

/**
 * Orthogonal fine-tuning (Qiu et al., 2023): {@code y = W (R x)}, where R is block-diagonal and
 * each block orthogonal, Cayley's transform of a skew matrix, or the start of its Neumann series.
 *
 * <p>On disk {@code MODULE.oft_R.weight} [blocks, b (b - 1) / 2], the upper triangles; one row
 * where blocks are shared.
 */
public final class OftMethod extends DocumentMethod {

  private static final Script SCRIPT = Script.of(OftMethod.class, "oft.py");

  private static final ConfigKeys KEYS =
      ConfigKeys.of("OFT")
          .idle("fan_in_fan_out", "weights are turned when the base is loaded")
          .idle("module_dropout", "peft's OFT holds it and does not apply it")
          .idle("eps", "goes with coft")
          .unsupported("coft");

  /** For {@link java.util.ServiceLoader}. */
  public OftMethod() {
    super(
        "OFT",
        """
        {"target_modules": null, "exclude_modules": null, "modules_to_save": null,
         "layers_to_transform": null, "layers_pattern": null, "r": 0, "oft_block_size": 32,
         "module_dropout": 0.0, "fan_in_fan_out": false, "bias": "none", "init_weights": true,
         "coft": false, "eps": 6e-05, "block_share": false, "use_cayley_neumann": true,
         "num_cayley_neumann_terms": 5}
        """);
  }

  @Override
  public ConfigKeys keys() {
    return KEYS;
  }

  @Override
  public List<String> sizeKeys() {
    return List.of("r", "oft_block_size", "block_share");
  }

  @Override
  public List<String> parameterNames() {
    return List.of("oft_R");
  }

  @Override
  protected void check(MethodConfig config) {
    int blocks = config.atLeast("r", 0);
    int size = config.atLeast("oft_block_size", 0);
    if ((blocks == 0) == (size == 0)) {
      throw new IllegalArgumentException(
          "expected one of 'r' and 'oft_block_size' to be 0, found " + blocks + " and " + size);
    }
    config.atLeast("num_cayley_neumann_terms", 1);
    if (!"none".equals(config.text("bias"))) {
      throw new IllegalArgumentException(
          "'bias': expected none, all that is supported, found " + config.get("bias"));
    }
    JsonNode init = config.get("init_weights");
    if (init == null || !init.isBoolean()) {
      throw new IllegalArgumentException("'init_weights': expected true or false, found " + init);
    }
  }

  @Override
  protected void build(MethodConfig config, AdapterBuilder builder) {
    for (Module module : builder.targets(config, Set.of(Linear.class))) {
      Linear linear = (Linear) module;
      long in = linear.projection().in();
      int given = config.integer("oft_block_size");
      long size = given == 0 ? in / fitting(in, config.integer("r")) : fitting(in, given);
      long rows = config.flag("block_share") ? 1 : in / size;
      String key = linear.name() + ".oft_R.weight";
      var random = builder.random(key);
      boolean zero = config.flag("init_weights");
      NDArray angles =
          builder.drawn(
              key, () -> zero ? 0 : 0.1 * random.nextGaussian(), rows, size * (size - 1) / 2);
      // 0 is Cayley's transform itself.
      long terms =
          config.flag("use_cayley_neumann") ? config.integer("num_cayley_neumann_terms") : 0;
      NDManager owner = builder.manager();
      builder.adapt(
          linear,
          new Rotation(angles, index(owner, (int) size), HostTensors.number(owner, terms), size));
    }
  }

  /** {@return the divisor of {@code n} nearest to {@code wanted}, of two the lower, as in peft} */
  static long fitting(long n, long wanted) {
    for (long distance = 0; wanted < n; distance++) {
      if (wanted > distance && n % (wanted - distance) == 0) {
        return wanted - distance;
      }
      if (n % (wanted + distance) == 0) {
        return wanted + distance;
      }
    }
    return n;
  }

  /**
   * Where each element of a skew matrix is in zero, the upper triangle row by row, and its
   * negative.
   */
  private static NDArray index(NDManager owner, int size) {
    long[] index = new long[size * size];
    int count = size * (size - 1) / 2;
    int next = 1;
    for (int i = 0; i < size; i++) {
      for (int j = i + 1; j < size; j++, next++) {
        index[i * size + j] = next;
        index[j * size + i] = next + count;
      }
    }
    return owner.create(index).reshape(size, size);
  }

  /**
   * What is done to the input of one projection.
   *
   * @param angles [blocks, b (b - 1) / 2], or of one block that all are
   * @param index int64 [b, b]
   * @param terms how many of the series, or 0 for all
   * @param size b
   */
  private record Rotation(NDArray angles, NDArray index, NDArray terms, long size)
      implements ProjectionAdapter {

    @Override
    public NDArray input(NDArray x, Pass pass) {
      return SCRIPT.call("rotated", x, angles, index, terms);
    }

    @Override
    public NDArray output(NDArray x, NDArray y, Linear linear, Pass pass) {
      return y;
    }

    @Override
    public boolean mergeable() {
      return true;
    }

    @Override
    public NDArray mergedWeight(NDArray weight, NDArray base, NDManager manager) {
      NDArray merged = SCRIPT.call("merged", weight, angles, index, terms);
      merged.attach(manager);
      return merged;
    }

    /** The input, by blocks in float32, and of each block its powers. */
    @Override
    public Kept kept(long in, long out) {
      return new Kept(2 * in, 0, 5 * in * size);
    }

    @Override
    public boolean trainable() {
      return angles.hasGradient();
    }
  }
}
