/** Encoders: BERT, RoBERTa, DistilBERT. */
@Experimental
package io.peft4j.model.encoder;

import io.peft4j.api.Experimental;
