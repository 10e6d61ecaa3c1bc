/** Work on packed weights, and the interface that device kernels implement. */
package io.peft4j.quant.kernel;
