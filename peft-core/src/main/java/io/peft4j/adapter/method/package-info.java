/** What a way of adapting is: its config, what it adds to a model, how that is kept in files. */
package io.peft4j.adapter.method;
