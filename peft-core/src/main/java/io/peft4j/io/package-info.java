/** Files that appear whole and stay: atomic and durable writing, mapped reading, JSON documents. */
@Internal
package io.peft4j.io;

import io.peft4j.api.Internal;
