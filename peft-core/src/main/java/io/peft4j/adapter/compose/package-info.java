/** Adapters made of adapters: algebra, and mixes within one batch. */
package io.peft4j.adapter.compose;
