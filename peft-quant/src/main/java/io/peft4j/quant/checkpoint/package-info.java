/** Quantization of checkpoint folders. */
package io.peft4j.quant.checkpoint;
