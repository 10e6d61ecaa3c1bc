/** Pictures of training runs. */
package io.peft4j.examples.chart;
