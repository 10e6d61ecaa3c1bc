/**
 * The bridge to libtorch: operations, gradients, element types, devices and foreign memory. All
 * that is native is reached through here.
 */
@Experimental
package io.peft4j.torch;

import io.peft4j.api.Experimental;
