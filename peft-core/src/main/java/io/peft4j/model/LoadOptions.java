package io.peft4j.model;

import ai.djl.Device;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.torch.Precision;

/**
 * How to load a model.
 *
 * @param precision what it computes in, and its weights are kept in
 * @param labels names of a new head's outputs; a stored head of another size is then replaced. null
 *     takes what {@code config.json} says
 * @param task what a new head learns; null takes what {@code config.json} says
 * @param seed of weights that the checkpoint lacks, such as a new head's
 * @param format how weights of linear modules are kept; null takes them as they are stored
 * @param streaming whether each layer's weights are mapped when the layer runs and unmapped after
 *     it, so that a model larger than memory can be run and tuned; every layer is then run again in
 *     a backward pass
 * @param device what the model, its adapters and what trains them live and run on; see {@link
 *     io.peft4j.torch.Devices#named}
 */
public record LoadOptions(
    Precision precision,
    LabelNames labels,
    Task task,
    long seed,
    WeightFormat format,
    boolean streaming,
    Device device) {

  /** float32 on the CPU, and everything else from {@code config.json}. */
  public static final LoadOptions DEFAULT =
      new LoadOptions(Precision.FLOAT32, null, null, 42, null, false, Device.cpu());

  public LoadOptions withPrecision(Precision value) {
    return new LoadOptions(value, labels, task, seed, format, streaming, device);
  }

  public LoadOptions withHead(Task newTask, LabelNames newLabels) {
    return new LoadOptions(precision, newLabels, newTask, seed, format, streaming, device);
  }

  public LoadOptions withSeed(long value) {
    return new LoadOptions(precision, labels, task, value, format, streaming, device);
  }

  public LoadOptions withFormat(WeightFormat value) {
    return new LoadOptions(precision, labels, task, seed, value, streaming, device);
  }

  public LoadOptions withStreaming(boolean value) {
    return new LoadOptions(precision, labels, task, seed, format, value, device);
  }

  public LoadOptions withDevice(Device value) {
    return new LoadOptions(precision, labels, task, seed, format, streaming, value);
  }
}
