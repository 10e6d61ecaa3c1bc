/** Examples as models take them: token sequences, packed into rows. */
package io.peft4j.model.batch;
