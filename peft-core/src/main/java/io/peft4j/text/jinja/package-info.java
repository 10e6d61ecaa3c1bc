/**
 * The part of Jinja that chat templates use, as transformers runs it: {@code trim_blocks}, {@code
 * lstrip_blocks}, loop controls, {@code generation} blocks, nothing that changes a value or reaches
 * outside.
 */
package io.peft4j.text.jinja;
