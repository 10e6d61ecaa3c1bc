/**
 * Finds a model's files: in a folder, in the Hugging Face cache, or on the Hugging Face hub.
 *
 * <p>The cache is shared with Python's {@code huggingface_hub}: each finds what the other
 * downloaded. {@link io.peft4j.hub.ModelHub} is the entry; settings come in a {@link
 * io.peft4j.hub.HubConfig}, usually made from the environment variables that Python reads too.
 */
package io.peft4j.hub;
