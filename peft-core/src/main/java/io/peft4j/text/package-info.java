/** From text to the token numbers that a model takes. */
package io.peft4j.text;
