/**
 * Transformers loaded from Hugging Face checkpoints, with a head: loading, running, exporting them.
 */
package io.peft4j.model;
