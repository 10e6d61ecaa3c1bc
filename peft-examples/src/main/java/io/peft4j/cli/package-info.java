/** The {@code peft} command line. */
package io.peft4j.cli;
