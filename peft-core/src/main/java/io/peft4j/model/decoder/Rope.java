package io.peft4j.model.decoder;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.model.load.ModelConfig;
import java.util.ArrayList;
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

  private static Rope of(
      ModelConfig config, int headDim, boolean mayBePartial, double partial, double theta) {
    ModelConfig rope = parameters(config);
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
    switch (type) {
      case "default" -> {}
      // stretches beyond max_position_embeddings only, where no sequence is taken
      case "dynamic" -> rope.positive("factor");
      case "linear" -> {
        float factor = (float) rope.positive("factor");
        for (int i = 0; i < frequencies.length; i++) {
          frequencies[i] /= factor;
        }
      }
      case "llama3" -> scaleLikeLlama3(frequencies, rope, config);
      default -> throw rope.unsupported(key, "default, linear, dynamic, llama3");
    }
    return new Rope(frequencies);
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

  /** Llama 3.1's: long wavelengths are divided by a factor, short ones kept, between is between. */
  private static void scaleLikeLlama3(float[] frequencies, ModelConfig rope, ModelConfig config) {
    double factor = rope.positive("factor");
    double low = rope.number("low_freq_factor");
    double high = rope.number("high_freq_factor");
    double length =
        rope.absent("original_max_position_embeddings")
            ? config.integer("max_position_embeddings")
            : rope.integer("original_max_position_embeddings");
    for (int i = 0; i < frequencies.length; i++) {
      double frequency = frequencies[i];
      double wavelength = 2 * Math.PI / frequency;
      if (wavelength > length / low) {
        frequencies[i] = (float) (frequency / factor);
      } else if (wavelength >= length / high) {
        double smooth = (length / wavelength - low) / (high - low);
        frequencies[i] = (float) ((1 - smooth) * frequency / factor + smooth * frequency);
      }
    }
  }
}
