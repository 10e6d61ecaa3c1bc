package io.peft4j.model.family;

import java.util.List;

/** What the adapters library calls the parts of attention. */
public final class AttentionNames {

  private final String prefix;
  private final List<String> projections;

  private AttentionNames(String prefix, List<String> projections) {
    this.prefix = prefix;
    this.projections = projections;
  }

  /**
   * @param prefix what it keeps prefixes under
   * @param projections last parts of the names of those of queries, keys and values
   */
  public static AttentionNames of(String prefix, String... projections) {
    return new AttentionNames(prefix, List.of(projections));
  }

  /** {@return what it keeps prefixes under} */
  public String prefix() {
    return prefix;
  }

  /** {@return last parts of the names of those of queries, keys and values} */
  public List<String> projections() {
    return projections;
  }
}
