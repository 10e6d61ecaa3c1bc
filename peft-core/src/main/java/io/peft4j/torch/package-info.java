/**
 * The bridge to libtorch: operations, gradients, element types, devices and foreign memory. All
 * that is native is reached through here.
 */
package io.peft4j.torch;
