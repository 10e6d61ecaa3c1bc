/** Encoders: BERT, RoBERTa, DistilBERT. */
package io.peft4j.model.encoder;
