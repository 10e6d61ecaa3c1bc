/** Work on packed weights, and the interface that device kernels implement. */
@Experimental
package io.peft4j.quant.kernel;

import io.peft4j.api.Experimental;
