/** What a way of adapting is: its config, what it adds to a model, how that is kept in files. */
@Experimental
package io.peft4j.adapter.method;

import io.peft4j.api.Experimental;
