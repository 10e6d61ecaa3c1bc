package io.peft4j.model.decoder;

import io.peft4j.model.load.ModelConfig;

/**
 * What is done to rotary frequencies so that a model takes longer texts than it was first trained
 * on: the {@code rope_type} of a config. Another kind is another record here.
 */
sealed interface RotaryScaling {

  /** {@return the frequencies to use}, of plain ones in radians a token, which may be changed */
  float[] of(float[] frequencies);

  /**
   * Reads it.
   *
   * @param key under which {@code rope} has the type
   * @param rope the rotary part of {@code config}
   * @throws IllegalArgumentException if the type is not supported or a parameter is missing or
   *     makes no sense
   */
  static RotaryScaling read(String key, String type, ModelConfig rope, ModelConfig config) {
    return switch (type) {
      case "default" -> new None();
      case "dynamic" -> new Dynamic(rope.positive("factor"));
      case "linear" -> new Linear((float) rope.positive("factor"));
      case "llama3" ->
          new Smooth(
              rope.positive("factor"),
              rope.number("low_freq_factor"),
              rope.number("high_freq_factor"),
              rope.absent("original_max_position_embeddings")
                  ? config.integer("max_position_embeddings")
                  : rope.integer("original_max_position_embeddings"));
      default -> throw rope.unsupported(key, "default, linear, dynamic, llama3");
    };
  }

  /** Nothing. */
  record None() implements RotaryScaling {

    @Override
    public float[] of(float[] frequencies) {
      return frequencies;
    }
  }

  /** Stretches beyond max_position_embeddings only, where no sequence is taken. */
  record Dynamic(double factor) implements RotaryScaling {

    @Override
    public float[] of(float[] frequencies) {
      return frequencies;
    }
  }

  /** All are divided (Chen et al., 2023). */
  record Linear(float factor) implements RotaryScaling {

    @Override
    public float[] of(float[] frequencies) {
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] /= factor;
      }
      return frequencies;
    }
  }

  /**
   * Llama 3.1's: long wavelengths are divided by a factor, short ones kept, between is between.
   *
   * @param length that the model was first trained on, in tokens
   */
  record Smooth(double factor, double low, double high, double length) implements RotaryScaling {

    @Override
    public float[] of(float[] frequencies) {
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
      return frequencies;
    }
  }
}
