package io.peft4j.adapter.method;

/**
 * What an adapter puts on a model beside its modules, and takes away again.
 *
 * @param target the name of the place
 */
public record Attachment(String target, Runnable attach, Runnable detach) {}
