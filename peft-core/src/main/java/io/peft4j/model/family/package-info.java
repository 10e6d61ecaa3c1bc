/** What a model needs to know of the family that it is of. */
package io.peft4j.model.family;
