/** What a model ends in: what it reads of a sequence, what it says, and what that is judged by. */
@Experimental
package io.peft4j.model.head;

import io.peft4j.api.Experimental;
