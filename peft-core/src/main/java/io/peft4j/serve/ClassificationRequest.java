package io.peft4j.serve;

import java.time.Duration;
import java.util.Map;

/**
 * A text to be classified, or embedded.
 *
 * @param adapter a registered one; null for the one that the router's chooser names, or the base
 * @param tokens its token numbers
 * @param types their segments, or null for all zeros
 * @param deadline how long after it was made it ends; null for never
 * @param attributes what the router's chooser may look at
 */
public record ClassificationRequest(
    String adapter, int[] tokens, int[] types, Duration deadline, Map<String, String> attributes)
    implements ServeRequest {

  /** One without deadline and attributes. */
  public static ClassificationRequest of(String adapter, int[] tokens, int[] types) {
    return new ClassificationRequest(adapter, tokens, types, null, Map.of());
  }
}
