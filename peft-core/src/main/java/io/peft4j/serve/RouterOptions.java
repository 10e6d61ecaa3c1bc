package io.peft4j.serve;

import io.peft4j.generate.Codec;
import java.util.function.Function;

/**
 * What a router is built with.
 *
 * @param adapterMemory bytes
 * @param cacheMemory bytes
 * @param queue requests that may wait
 * @param batch requests that run together
 * @param prefillChunk tokens of prompts that a step computes
 * @param codec null for none
 * @param chooser gives the adapter of a request that names none, or null for the base
 */
record RouterOptions(
    long adapterMemory,
    long cacheMemory,
    int queue,
    int batch,
    int prefillChunk,
    Codec codec,
    Function<ServeRequest, String> chooser) {}
