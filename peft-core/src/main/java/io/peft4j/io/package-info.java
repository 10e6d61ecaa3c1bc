/** Files that appear whole and stay: atomic and durable writing, mapped reading, JSON documents. */
package io.peft4j.io;
