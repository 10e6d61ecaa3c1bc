package io.peft4j.serve;

import io.peft4j.data.LabelNames;

/**
 * What a model's head says of a text.
 *
 * @param scores a classifier's logits, one a label; an encoder's vector
 * @param labels the scores' names; null where they have none
 * @param adapter the name of the one that was used, or null for the base
 * @param version of that adapter, see {@link AdapterInfo}; 0 for the base
 */
public record Classified(float[] scores, LabelNames labels, String adapter, long version) {}
