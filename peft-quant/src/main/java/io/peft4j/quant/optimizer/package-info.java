/** Optimizer state in 8 bits. */
package io.peft4j.quant.optimizer;
