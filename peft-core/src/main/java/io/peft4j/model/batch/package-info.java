/** Examples as models take them: token sequences, packed into rows. */
@Experimental
package io.peft4j.model.batch;

import io.peft4j.api.Experimental;
