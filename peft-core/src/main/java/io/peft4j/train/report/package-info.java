/**
 * What a training run tells about itself: the events of {@link
 * io.peft4j.train.report.TrainingListener} and the listeners that write them to a log, to JSON
 * lines and to TensorBoard event files.
 */
package io.peft4j.train.report;
