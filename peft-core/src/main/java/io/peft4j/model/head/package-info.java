/** What a model ends in: what it reads of a sequence, what it says, and what that is judged by. */
package io.peft4j.model.head;
