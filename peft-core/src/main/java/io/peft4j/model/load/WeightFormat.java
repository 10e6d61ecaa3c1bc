package io.peft4j.model.load;

import ai.djl.ndarray.NDManager;
import io.peft4j.io.Services;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.safetensors.Checkpoint;
import java.util.ServiceLoader;

/**
 * A way of keeping the weights of linear modules other than dense, such as in 4 bits. A model whose
 * {@code config.json} has a {@code quantization_config} is opened by the one that {@link
 * ServiceLoader} finds, unless {@link LoadOptions} names one.
 */
public interface WeightFormat {

  /**
   * Begins to load a model.
   *
   * @param manager owner of what lives as long as the model
   * @throws IllegalArgumentException if the checkpoint is stored in a way that this does not read;
   *     the message names file and key
   */
  Opened open(ModelConfig config, Checkpoint checkpoint, NDManager manager);

  /** The format at work on one checkpoint. */
  interface Opened {

    /**
     * {@return the module's projection, or null where its weight is stored dense and stays so}
     *
     * @param bias [out], or null
     * @throws IllegalArgumentException if the weight's parts do not fit each other or the module;
     *     the message names file and tensor
     */
    Projection load(Source source, Parameter bias);

    /**
     * {@return the weight that a tensor of that name belongs to by what {@link #load} reads, or
     * null}
     */
    default String weightOf(String tensor) {
      return null;
    }
  }

  /**
   * Which weight to load.
   *
   * @param module the module's name in the model
   * @param tensor the weight's name in the checkpoint
   * @param out rows of the weight
   * @param in its columns
   * @param turned whether a dense weight is stored as [in, out]
   */
  record Source(String module, String tensor, long out, long in, boolean turned) {}

  /** {@return the format of checkpoints that say they are quantized, null for a dense one} */
  static WeightFormat ofStored(ModelConfig config) {
    if (config.absent("quantization_config")) {
      return null;
    }
    return Services.load(WeightFormat.class).stream()
        .findFirst()
        .orElseThrow(
            () ->
                config.wrong(
                    "has 'quantization_config'; loading it takes peft-quant on the class path"));
  }
}
