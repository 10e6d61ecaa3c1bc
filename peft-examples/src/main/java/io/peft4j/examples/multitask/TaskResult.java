package io.peft4j.examples.multitask;

/**
 * What came of one task.
 *
 * @param task its adapter's name
 * @param trained examples
 * @param heldOut examples
 * @param metric {@code accuracy} or {@code perplexity}, on the held-out examples
 * @param before what it is without training: a classifier's, that always says the most frequent
 *     class; a language model's base
 * @param adapter what it is with the adapter
 * @param full what it is after full fine-tuning
 * @param same how many served answers are what the adapter by itself gives
 * @param answers how many were compared
 * @param adapterDisk bytes of the adapter's weights file
 * @param modelDisk bytes of the fully tuned model's weights file
 * @param adapterMemory bytes of the adapter in the router
 * @param modelMemory bytes of the fully tuned model's parameters
 */
public record TaskResult(
    String task,
    int trained,
    int heldOut,
    String metric,
    double before,
    double adapter,
    double full,
    int same,
    int answers,
    long adapterDisk,
    long modelDisk,
    long adapterMemory,
    long modelMemory) {}
