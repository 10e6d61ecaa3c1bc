/**
 * Reading and writing <a href="https://github.com/huggingface/safetensors">safetensors</a> files
 * and the checkpoints that Hugging Face makes of them, without copying: a tensor read is a range of
 * the mapped file.
 */
package io.peft4j.safetensors;
