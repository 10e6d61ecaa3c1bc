/**
 * What models are made of: linear layers, embeddings and norms under their Hugging Face names,
 * their parameters, and the places where adapters act.
 */
@Experimental
package io.peft4j.model.module;

import io.peft4j.api.Experimental;
