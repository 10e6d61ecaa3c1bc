package io.peft4j.model.family;

import java.util.List;

/**
 * What the adapters library calls the parts of attention.
 *
 * @param projections last parts of the names of those of queries, keys and values
 * @param prefix what it keeps prefixes under
 */
public record AttentionNames(List<String> projections, String prefix) {}
