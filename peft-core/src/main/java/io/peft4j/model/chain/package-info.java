/** How a model runs forward and backward: segment by segment, each with a graph of its own. */
@Experimental
package io.peft4j.model.chain;

import io.peft4j.api.Experimental;
