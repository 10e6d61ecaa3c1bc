package io.peft4j.model;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Rotary positions (Su et al., 2021): at position p, the i-th pair of elements of each head is
 * turned by {@code p · frequencies[i]}.
 *
 * @param frequencies one for each pair that is turned, in radians a token
 */
record Rope(float[] frequencies) {

  /**
   * Reads {@code rope_parameters}, or {@code rope_theta} and {@code rope_scaling} as older configs
   * have them.
   *
   * @param headDim elements of a head
   * @param partial how much of a head is turned where the config does not say
   * @param theta base of the wavelengths where the config does not say
   * @throws IllegalArgumentException if the type is not supported or a parameter is missing
   */
  static Rope of(ModelConfig config, int headDim, double partial, double theta) {
    ModelConfig rope = config.section("rope_parameters");
    if (rope == null) {
      rope = config.section("rope_scaling");
    }
    if (rope == null) {
      rope = config.with(type(config));
    }
    double base = rope.number("rope_theta", config.number("rope_theta", theta));
    double part =
        rope.number("partial_rotary_factor", config.number("partial_rotary_factor", partial));
    int turned = (int) (headDim * part);
    float[] frequencies = new float[turned / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = 1f / (float) Math.pow(base, 2f * i / (float) turned);
    }
    String key = rope.absent("rope_type") && !rope.absent("type") ? "type" : "rope_type";
    switch (rope.text(key, "default")) {
      case "default" -> {}
      case "linear" -> {
        float factor = (float) rope.number("factor");
        for (int i = 0; i < frequencies.length; i++) {
          frequencies[i] /= factor;
        }
      }
      case "llama3" -> scaleLikeLlama3(frequencies, rope, config);
      default -> throw rope.unsupported(key, "default, linear, llama3");
    }
    return new Rope(frequencies);
  }

  private static ObjectNode type(ModelConfig config) {
    return config.json().objectNode().put("rope_type", "default");
  }

  /** Llama 3.1's: long wavelengths are divided by a factor, short ones kept, between is between. */
  private static void scaleLikeLlama3(float[] frequencies, ModelConfig rope, ModelConfig config) {
    double factor = rope.number("factor");
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
