/** Models on few-bit weights: projections that are dense only while they run. */
package io.peft4j.quant.projection;
