/** LoHa and LoKr: updates made of Hadamard and Kronecker products. */
package io.peft4j.adapter.lycoris;
