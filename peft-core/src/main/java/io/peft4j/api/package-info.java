/** Marks that say how long something public stays as it is. */
package io.peft4j.api;
