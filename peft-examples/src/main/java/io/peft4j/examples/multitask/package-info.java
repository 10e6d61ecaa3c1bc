/** The parts of practice project 3: its data, its load test, and its report. */
package io.peft4j.examples.multitask;
