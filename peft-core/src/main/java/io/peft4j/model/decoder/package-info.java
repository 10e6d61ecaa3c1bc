/** Decoders: Llama and those like it, GPT-2, GPT-NeoX. */
@Experimental
package io.peft4j.model.decoder;

import io.peft4j.api.Experimental;
