/** How a model runs forward and backward: segment by segment, each with a graph of its own. */
package io.peft4j.model.chain;
