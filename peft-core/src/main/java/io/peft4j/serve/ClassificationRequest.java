package io.peft4j.serve;

import java.time.Duration;
import java.util.Map;

/** A text to be classified, or embedded. Immutable. */
public final class ClassificationRequest implements ServeRequest {

  private final String adapter;
  private final int[] tokens;
  private final int[] types;
  private final Duration deadline;
  private final Map<String, String> attributes;

  private ClassificationRequest(
      String adapter,
      int[] tokens,
      int[] types,
      Duration deadline,
      Map<String, String> attributes) {
    this.adapter = adapter;
    this.tokens = tokens;
    this.types = types;
    this.deadline = deadline;
    this.attributes = attributes;
  }

  /**
   * {@return a request without deadline and attributes}
   *
   * @param adapter a registered one; null for the one that the router's chooser names, or the base
   * @param tokens token numbers of the text
   * @param types their segments, or null for all zeros
   */
  public static ClassificationRequest of(String adapter, int[] tokens, int[] types) {
    return new ClassificationRequest(
        adapter, tokens.clone(), types == null ? null : types.clone(), null, Map.of());
  }

  /**
   * @param value how long after it was made it ends; null for never
   */
  public ClassificationRequest withDeadline(Duration value) {
    return new ClassificationRequest(adapter, tokens, types, value, attributes);
  }

  /**
   * @param value what the router's chooser may look at
   */
  public ClassificationRequest withAttributes(Map<String, String> value) {
    return new ClassificationRequest(adapter, tokens, types, deadline, Map.copyOf(value));
  }

  @Override
  public String adapter() {
    return adapter;
  }

  @Override
  public int[] tokens() {
    return tokens;
  }

  /** {@return the tokens' segments, or null for all zeros} */
  public int[] types() {
    return types;
  }

  /** {@return how long after it was made it ends; null for never} */
  public Duration deadline() {
    return deadline;
  }

  @Override
  public Map<String, String> attributes() {
    return attributes;
  }
}
