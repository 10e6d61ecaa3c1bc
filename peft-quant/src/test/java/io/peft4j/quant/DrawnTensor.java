package io.peft4j.quant;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** The inputs of the goldens, drawn exactly as {@code make_goldens.py} draws them. */
public final class DrawnTensor {
  private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

  private DrawnTensor() {}

  /** A draw of SplitMix64 at {@code index}. */
  static long mix(long seed, int index) {
    long z = seed + (index + 1L) * GOLDEN_GAMMA;
    z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    return z ^ z >>> 31;
  }

  /** An almost normal draw: a sum of four 16-bit integers, centred; standard deviation 37,837. */
  static int centred(long z) {
    return (int) ((z & 0xffff) + (z >>> 16 & 0xffff) + (z >>> 32 & 0xffff) + (z >>> 48)) - 131070;
  }

  /**
   * Draws as {@code draw} of {@code make_goldens.py}, in float32.
   *
   * @param pattern what some of them are, see there; in blocks of 256
   */
  public static float[] floats(long seed, int count, String pattern, double scale) {
    ObjectNode row =
        JsonNodeFactory.instance
            .objectNode()
            .put("seed", seed)
            .put("block", 256)
            .put("pattern", pattern)
            .put("scale", scale);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = element(row, i);
    }
    return values;
  }

  /** Draws with a standard deviation of 1. */
  static float[] normal(long seed, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = centred(mix(seed, i)) * (1 / 37837f);
    }
    return values;
  }

  static long[] shape(JsonNode row) {
    long[] shape = new long[row.get("shape").size()];
    Arrays.setAll(shape, i -> row.get("shape").get(i).asLong());
    return shape;
  }

  static FloatType type(JsonNode row) {
    return FloatType.ofTorchName(row.get("dtype").asText());
  }

  /** The elements of a golden's input, in its type. */
  static ByteBuffer draw(JsonNode row) {
    int count = Shapes.count(shape(row));
    FloatType type = type(row);
    ByteBuffer data =
        ByteBuffer.allocateDirect(count * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      float value = element(row, i);
      if (type == FloatType.F32) {
        data.putFloat(value);
      } else {
        data.putShort(type.round(value));
      }
    }
    return data.flip();
  }

  private static float element(JsonNode row, int i) {
    long z = mix(row.get("seed").asLong(), i);
    float value = centred(z) * (float) row.get("scale").asDouble();
    int block = i / row.get("block").asInt();
    return switch (row.get("pattern").asText()) {
      case "normal" -> value;
      case "heavy" -> (z >>> 48) % 64 == 0 ? value * 32 : value;
      case "zeros" -> block % 3 == 0 ? 0 : value;
      case "mixed" -> value * Math.scalb(1f, block % 41 - 20);
      case "ties" -> 0.25f * (i % 32 == 0 ? 1 : midpoint(row, (int) (z & 0xffff) % 15));
      case "nonnegative" -> Math.abs(value);
      default -> throw new IllegalArgumentException("unknown pattern in " + row);
    };
  }

  private static float midpoint(JsonNode row, int i) {
    float[] levels = QuantType.of(row.get("type").asText()).levels().toArray();
    for (int k = 0; k < levels.length; k++) {
      levels[k] += 0f; // -0 to 0, lest it sort before
    }
    Arrays.sort(levels);
    return (levels[i] + levels[i + 1]) / 2;
  }
}
