/**
 * One frozen base that serves many: requests of any threads, each with an adapter of its own, run
 * together in batches that they join and leave as they come.
 */
@Experimental
package io.peft4j.serve;

import io.peft4j.api.Experimental;
