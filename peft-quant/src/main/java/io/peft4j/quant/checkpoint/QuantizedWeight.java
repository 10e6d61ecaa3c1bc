package io.peft4j.quant.checkpoint;

import io.peft4j.quant.QuantizationError;
import java.util.List;

/**
 * What quantization did to one weight.
 *
 * @param name the weight's name
 * @param shape its shape before
 * @param denseBytes its size before
 * @param storedBytes its size after, scales and code books included
 * @param error its distance from the dense weight
 */
public record QuantizedWeight(
    String name, List<Long> shape, long denseBytes, long storedBytes, QuantizationError error) {

  /** Copies {@code shape}. */
  public QuantizedWeight {
    shape = List.copyOf(shape);
  }
}
