package io.peft4j.adapter.method;

import ai.djl.ndarray.NDManager;
import io.peft4j.model.Model;
import java.util.function.Function;

/**
 * What an adapter is built on and from.
 *
 * @param manager the owner of its arrays, closed with it
 * @param seed of the random numbers it starts from
 * @param tokenizer gives the tokens of a text; may be null
 * @param others gives the model's other adapters by name, and throws if there is none
 */
public record AdapterContext(
    Model model,
    NDManager manager,
    long seed,
    Function<String, int[]> tokenizer,
    Function<String, Adapter> others) {}
