/** LoRA and methods made of low-rank factors: DoRA, PiSSA, AdaLoRA, VeRA. */
package io.peft4j.adapter.lora;
