/** Text from causal language models: greedy or sampled, batched, streamed. */
package io.peft4j.generate;
