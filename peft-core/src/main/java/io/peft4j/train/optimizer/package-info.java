/** How parameters move by their gradients: what an optimizer is, and AdamW. */
package io.peft4j.train.optimizer;
