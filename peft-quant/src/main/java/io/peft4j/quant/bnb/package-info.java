/** bitsandbytes' layout of quantized weights in safetensors files. */
package io.peft4j.quant.bnb;
