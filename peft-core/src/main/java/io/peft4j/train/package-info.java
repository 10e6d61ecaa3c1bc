/**
 * Training: the trainer, its arguments and data, checkpoints that a run goes on from. Start with
 * {@link io.peft4j.train.Trainer}.
 */
package io.peft4j.train;
