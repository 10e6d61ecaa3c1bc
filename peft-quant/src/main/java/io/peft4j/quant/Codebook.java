package io.peft4j.quant;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/**
 * The levels in [-1, 1] that codes stand for.
 *
 * <p>The 8-bit dynamic maps (Dettmers, 8-Bit Approximations for Parallelism, 2015) are data, not a
 * formula: bitsandbytes makes them with {@code torch.linspace}, whose last bits depend on the
 * instructions it is compiled to. These are the ones of x86-64 with AVX2 or AVX-512. Files carry
 * their own.
 */
public final class Codebook {
  private static final float FP4_UNIT = 12f;

  /** NF4's levels, in ascending order. */
  public static final Codebook NF4 =
      new Codebook(
          -1.0f,
          -0.6961928009986877f,
          -0.5250730514526367f,
          -0.39491748809814453f,
          -0.28444138169288635f,
          -0.18477343022823334f,
          -0.09105003625154495f,
          0.0f,
          0.07958029955625534f,
          0.16093020141124725f,
          0.24611230194568634f,
          0.33791524171829224f,
          0.44070982933044434f,
          0.5626170039176941f,
          0.7229568362236023f,
          1.0f);

  /** FP4's levels, by bit pattern; bit 3 is the sign. */
  public static final Codebook FP4 =
      new Codebook(
          0,
          0.0625f / FP4_UNIT,
          8 / FP4_UNIT,
          12 / FP4_UNIT,
          4 / FP4_UNIT,
          6 / FP4_UNIT,
          2 / FP4_UNIT,
          3 / FP4_UNIT,
          0,
          -0.0625f / FP4_UNIT,
          -8 / FP4_UNIT,
          -12 / FP4_UNIT,
          -4 / FP4_UNIT,
          -6 / FP4_UNIT,
          -2 / FP4_UNIT,
          -3 / FP4_UNIT);

  /** 256 levels of both signs: for nested scales and first moments. */
  public static final Codebook DYNAMIC_SIGNED = resource("dynamic-signed.txt");

  /** 256 levels from 0 to 1: for second moments. */
  public static final Codebook DYNAMIC_UNSIGNED = resource("dynamic-unsigned.txt");

  private final float[] levels;

  private Codebook(float... levels) {
    this.levels = levels;
  }

  /**
   * A code book from a file.
   *
   * @param levels 256 ascending levels
   * @throws QuantizationException if there are not 256, or they do not ascend, or are not finite
   */
  public static Codebook ofDynamic(float[] levels) {
    if (levels.length != 256) {
      throw new QuantizationException("expected a code book of 256 levels, found " + levels.length);
    }
    for (int i = 0; i < 256; i++) {
      boolean ordered = i == 0 || levels[i] >= levels[i - 1];
      if (!Float.isFinite(levels[i]) || !ordered) {
        throw new QuantizationException(
            String.format(
                Locale.ROOT,
                "the code book's levels must be finite and ascend, level %d is %s",
                i,
                levels[i]));
      }
    }
    for (Codebook known : new Codebook[] {DYNAMIC_SIGNED, DYNAMIC_UNSIGNED}) {
      if (Arrays.equals(known.levels, levels)) {
        return known;
      }
    }
    return new Codebook(levels.clone());
  }

  /** How many codes there are. */
  public int size() {
    return levels.length;
  }

  /** The level of {@code code}. */
  public float level(int code) {
    return levels[code];
  }

  /** A copy of the levels, by code. */
  public float[] toArray() {
    return levels.clone();
  }

  private static Codebook resource(String name) {
    try (InputStream in = Codebook.class.getResourceAsStream(name);
        BufferedReader reader =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.US_ASCII))) {
      float[] levels = new float[256];
      for (int i = 0; i < levels.length; i++) {
        levels[i] = Float.parseFloat(reader.readLine());
      }
      return new Codebook(levels);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
