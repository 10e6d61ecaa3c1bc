package io.peft4j.model.load;

import ai.djl.Device;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.torch.Precision;
import java.util.Arrays;
import java.util.List;

/** How to load a model. */
public final class LoadOptions {

  /** float32 on the CPU, and everything else from {@code config.json}. */
  public static final LoadOptions DEFAULT =
      new LoadOptions(Precision.FLOAT32, null, null, Head.TRAINED, 42, null, false, Device.cpu());

  private final Precision precision;
  private final LabelNames labels;
  private final Task task;
  private final Head head;
  private final long seed;
  private final WeightFormat format;
  private final boolean streaming;
  private final Device device;

  private LoadOptions(
      Precision precision,
      LabelNames labels,
      Task task,
      Head head,
      long seed,
      WeightFormat format,
      boolean streaming,
      Device device) {
    this.precision = precision;
    this.labels = labels;
    this.task = task;
    this.head = head;
    this.seed = seed;
    this.format = format;
    this.streaming = streaming;
    this.device = device;
  }

  /** {@return what it computes in, and its weights are kept in} */
  public Precision precision() {
    return precision;
  }

  /** {@return names of the head's outputs; null takes what {@code config.json} says} */
  public LabelNames labels() {
    return labels;
  }

  /** {@return what the head learns; null takes what {@code config.json} says} */
  public Task task() {
    return task;
  }

  /** {@return where the head's weights come from} */
  public Head head() {
    return head;
  }

  /** {@return of weights that the checkpoint lacks, such as a new head's} */
  public long seed() {
    return seed;
  }

  /** {@return how weights of linear modules are kept; null takes them as they are stored} */
  public WeightFormat format() {
    return format;
  }

  /**
   * {@return whether each layer's weights are mapped when the layer runs and unmapped after it, so
   * that a model larger than memory can be run and tuned; every layer is then run again in a
   * backward pass}
   */
  public boolean streaming() {
    return streaming;
  }

  /**
   * {@return what the model, its adapters and what trains them live and run on; see {@link
   * io.peft4j.torch.Devices#named}}
   */
  public Device device() {
    return device;
  }

  /** Where the weights of a sequence classifier's head come from. */
  public enum Head {
    /** The checkpoint, whose head has to be for these labels; drawn where it has none. */
    TRAINED,
    /** They are drawn, whatever the checkpoint has. */
    NEW,
    /** An adapter brings them; until then the checkpoint's where they fit, else drawn ones. */
    ADAPTER
  }

  public LoadOptions withPrecision(Precision value) {
    return new LoadOptions(value, labels, task, head, seed, format, streaming, device);
  }

  /**
   * For these labels. A head that the checkpoint has keeps the order of its own; another number of
   * labels, or another task, is refused when the model is loaded: see {@link
   * io.peft4j.model.HeadIdentity}.
   */
  public LoadOptions withHead(Task task, LabelNames labels) {
    return with(task, labels, Head.TRAINED);
  }

  /**
   * For these labels, in this order, with newly drawn weights even where there are trained ones.
   */
  public LoadOptions withNewHead(Task task, LabelNames labels) {
    return with(task, labels, Head.NEW);
  }

  /** For these labels, in this order: those of a head that an adapter is to bring. */
  public LoadOptions withAdapterHead(Task task, LabelNames labels) {
    return with(task, labels, Head.ADAPTER);
  }

  private LoadOptions with(Task newTask, LabelNames newLabels, Head from) {
    return new LoadOptions(precision, newLabels, newTask, from, seed, format, streaming, device);
  }

  public LoadOptions withSeed(long value) {
    return new LoadOptions(precision, labels, task, head, value, format, streaming, device);
  }

  public LoadOptions withFormat(WeightFormat value) {
    return new LoadOptions(precision, labels, task, head, seed, value, streaming, device);
  }

  public LoadOptions withStreaming(boolean value) {
    return new LoadOptions(precision, labels, task, head, seed, format, value, device);
  }

  public LoadOptions withDevice(Device value) {
    return new LoadOptions(precision, labels, task, head, seed, format, streaming, value);
  }

  private List<Object> values() {
    return Arrays.asList(precision, labels, task, head, seed, format, streaming, device);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof LoadOptions that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return "LoadOptions" + values();
  }
}
