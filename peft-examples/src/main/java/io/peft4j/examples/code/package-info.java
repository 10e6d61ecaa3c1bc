/** The parts of practice project 2: Java sources, a trained tokenizer, a small new model. */
package io.peft4j.examples.code;
