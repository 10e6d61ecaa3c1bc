/** What a model needs to know of the family that it is of. */
@Experimental
package io.peft4j.model.family;

import io.peft4j.api.Experimental;
