package io.peft4j.serve;

import io.peft4j.data.LabelNames;
import java.nio.file.Path;

/**
 * A registered adapter.
 *
 * @param version counts all that was ever registered, from 1
 * @param method its {@code peft_type}
 * @param rank of a LoRA adapter; 0 for other methods
 * @param parent the base that its config names, or null
 * @param labels of its outputs; null where outputs have no names
 * @param loaded whether its weights are in memory
 * @param bytes that its weights take in memory
 * @param requests that it has been used for
 * @param failure why it could not be loaded when it was last tried; null if it could
 */
public record AdapterInfo(
    String name,
    long version,
    Path folder,
    String method,
    int rank,
    String parent,
    LabelNames labels,
    boolean loaded,
    long bytes,
    long requests,
    String failure) {}
