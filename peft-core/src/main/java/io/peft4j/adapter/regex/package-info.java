/** Regular expressions in the syntax of Python's {@code re}, with a budget of steps. */
package io.peft4j.adapter.regex;
