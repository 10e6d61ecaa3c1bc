/**
 * Text to train and evaluate on: reading files of examples, splitting them, and planning batches.
 *
 * <p>The way through: {@link io.peft4j.data.TextReader} reads a file into {@link
 * io.peft4j.data.Example}s, {@link io.peft4j.data.TextDataset} checks their labels against a {@link
 * io.peft4j.data.Task}, {@link io.peft4j.data.Splits} holds some out, {@link
 * io.peft4j.data.EpochOrder} and {@link io.peft4j.data.BatchPlan} say what each step sees, and
 * {@link io.peft4j.data.RowPacking} lays a batch's sequences into rows without padding.
 *
 * <p>Whatever is wrong with a file's content is a {@link io.peft4j.data.DataException} that begins
 * {@code FILE:LINE:}.
 */
package io.peft4j.data;
