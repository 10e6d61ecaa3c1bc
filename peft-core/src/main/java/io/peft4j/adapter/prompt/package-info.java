/** Prefix tuning, prompt tuning and P-tuning: vectors before the text. */
package io.peft4j.adapter.prompt;
