package io.peft4j.model.decoder;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.model.load.ModelConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Rotary positions (Su et al., 2021): at position p, the i-th pair of elements of each head is
 * turned by {@code p · frequencies[i]}.
 *
 * @param frequencies one for each pair that is turned, in radians a token
 */
public record Rope(float[] frequencies) {

  /** The base of the wavelengths where nothing says it. */
  public static final double THETA = 10000;

  /**
   * Reads {@code rope_parameters}, or {@code rope_theta} and {@code rope_scaling} as older configs
   * have them.
   *
   * @param headDim elements of a head, all of which are turned
   * @throws IllegalArgumentException if the type is not supported or a parameter is missing or
   *     makes no sense
   */
  public static Rope read(ModelConfig config, int headDim) {
    return of(config, headDim, false, 1, THETA);
  }

  /**
   * As {@link #read}, for a family that can turn a part of a head.
   *
   * @param partial how much of a head is turned where the config does not say
   * @param theta base of the wavelengths where the config does not say
   */
  public static Rope readPartial(ModelConfig config, int headDim, double partial, double theta) {
    return of(config, headDim, true, partial, theta);
  }

  /**
   * As {@link #read}, for layers of one kind, of a family that gives parameters by kind.
   *
   * @param kind a name of {@code layer_types}, such as {@code sliding_attention}
   * @throws IllegalArgumentException also if it gives none for that kind
   */
  public static Rope readKind(ModelConfig config, int headDim, String kind) {
    ModelConfig kinds = config.section("rope_parameters");
    ModelConfig rope = kinds == null ? null : kinds.section(kind);
    if (rope == null) {
      throw config.wrong("'rope_parameters': expected an object under '" + kind + "', found none");
    }
    return of(config, rope, headDim, false, 1, THETA);
  }

  private static Rope of(
      ModelConfig config, int headDim, boolean mayBePartial, double partial, double theta) {
    return of(config, parameters(config), headDim, mayBePartial, partial, theta);
  }

  private static Rope of(
      ModelConfig config,
      ModelConfig rope,
      int headDim,
      boolean mayBePartial,
      double partial,
      double theta) {
    String key = rope.absent("rope_type") && !rope.absent("type") ? "type" : "rope_type";
    String type = rope.text(key, "default");
    double base = rope.positive("rope_theta", config.positive("rope_theta", theta));
    double part =
        rope.number("partial_rotary_factor", config.number("partial_rotary_factor", partial));
    if (!mayBePartial && part != 1) {
      if (!type.equals("default")) {
        throw rope.unsupported("partial_rotary_factor", "1");
      }
      part = 1; // these families do not look at it
    }
    int turned = (int) (headDim * part);
    if (turned < 2 || turned > headDim || turned % 2 != 0) {
      throw config.wrong(
          String.format(
              Locale.ROOT,
              "expected an even number of each head's elements to be turned; found %d of %d",
              turned,
              headDim));
    }
    float[] frequencies = new float[turned / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = 1f / (float) Math.pow(base, 2f * i / (float) turned);
    }
    return new Rope(RotaryScaling.read(key, type, rope, config).of(frequencies));
  }

  /** {@code rope_scaling}, the older name, goes first, as in transformers. */
  private static ModelConfig parameters(ModelConfig config) {
    for (String name : List.of("rope_scaling", "rope_parameters")) {
      ModelConfig found = config.section(name);
      if (found != null && !found.json().isEmpty()) {
        return oneForAll(config, name, found);
      }
    }
    return config.with(config.json().objectNode().put("rope_type", "default"));
  }

  /** Parameters may be given by kind of layer; these families have one for all. */
  private static ModelConfig oneForAll(ModelConfig config, String name, ModelConfig found) {
    List<JsonNode> kinds = new ArrayList<>();
    found.json().elements().forEachRemaining(kinds::add);
    if (kinds.stream().noneMatch(JsonNode::isObject)) {
      return found;
    }
    if (Set.copyOf(kinds).size() > 1) {
      throw config.unsupported(name, "the same parameters for all layers");
    }
    return found.section(found.json().fieldNames().next());
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Rope rope && Arrays.equals(frequencies, rope.frequencies);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(frequencies);
  }
}
