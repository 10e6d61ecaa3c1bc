/**
 * Few-bit weights, to the bytes of bitsandbytes' CPU backend: blockwise NF4 and FP4, row-wise int8,
 * and the dynamic 8-bit maps of scales and optimizer states.
 */
package io.peft4j.quant;
