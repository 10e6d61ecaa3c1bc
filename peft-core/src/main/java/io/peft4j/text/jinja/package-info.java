/**
 * The part of Jinja that chat templates use, as transformers runs it: {@code trim_blocks}, {@code
 * lstrip_blocks}, loop controls, {@code generation} blocks, nothing that changes a value or reaches
 * outside.
 */
@Internal
package io.peft4j.text.jinja;

import io.peft4j.api.Internal;
