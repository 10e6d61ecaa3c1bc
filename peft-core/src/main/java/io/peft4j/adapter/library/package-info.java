/** Methods in the words and files of the adapters library: bottlenecks, fusion, gates. */
package io.peft4j.adapter.library;
