/** Export of adapters to GGUF, the file format of llama.cpp. */
package io.peft4j.gguf;
