/** How parameters move by their gradients: what an optimizer is, and AdamW. */
@Experimental
package io.peft4j.train.optimizer;

import io.peft4j.api.Experimental;
