/** Decoders: Llama and those like it, GPT-2, GPT-NeoX. */
package io.peft4j.model.decoder;
