/** Models with named adapters on them: adding, loading, saving, mixing, merging. */
package io.peft4j.adapter;
