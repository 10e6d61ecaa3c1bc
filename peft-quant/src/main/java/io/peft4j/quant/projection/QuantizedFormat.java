package io.peft4j.quant.projection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.WeightFormat;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.bnb.BnbFormat;
import io.peft4j.quant.checkpoint.DenseWeight;
import io.peft4j.quant.checkpoint.WeightSelection;
import io.peft4j.quant.kernel.PackedWeight;
import io.peft4j.quant.kernel.QuantKernels;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.NativeTensor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.UUID;

/**
 * Loads models on few-bit weights: those of a folder that bitsandbytes or {@code peft quantize}
 * wrote, whose codes stay the file's mapped pages; or those of a dense folder, quantized tensor by
 * tensor while they are loaded. Output heads and classifiers stay dense, as in transformers.
 *
 * <pre>{@code
 * QuantizedFormat nf4 = QuantizedFormat.of(QuantizationConfig.nf4().withDoubleQuant(true));
 * CausalLm model = CausalLm.load(folder, LoadOptions.DEFAULT.withFormat(nf4));
 * }</pre>
 */
public final class QuantizedFormat implements WeightFormat {

  private final QuantizationConfig config;
  private final List<String> skip;
  private final Merging merging;
  private final QuantKernels chosen;
  private final FloatType compute;

  /** The format of a folder that is quantized already, as its {@code config.json} has it. */
  public QuantizedFormat() {
    this(null, List.of(), Merging.DENSE, null, null);
  }

  private QuantizedFormat(
      QuantizationConfig config,
      List<String> skip,
      Merging merging,
      QuantKernels chosen,
      FloatType compute) {
    this.config = config;
    this.skip = List.copyOf(skip);
    this.merging = merging;
    this.chosen = chosen;
    this.compute = compute;
  }

  /** {@return the format for a dense folder that is to be quantized so, or a folder that is} */
  public static QuantizedFormat of(QuantizationConfig config) {
    return new QuantizedFormat(config, List.of(), Merging.DENSE, null, null);
  }

  /**
   * {@return this, leaving more modules dense}
   *
   * @param modules names, or their ends after a dot, or what contains them
   */
  public QuantizedFormat skipping(List<String> modules) {
    return new QuantizedFormat(config, modules, merging, chosen, compute);
  }

  /** {@return this, where merged weights are kept so} */
  public QuantizedFormat merging(Merging how) {
    return new QuantizedFormat(config, skip, how, chosen, compute);
  }

  /**
   * {@return this, with kernels other than the best for the model's device} Their memory has to be
   * that of the device's tensors.
   */
  public QuantizedFormat kernels(QuantKernels others) {
    return new QuantizedFormat(config, skip, merging, others, compute);
  }

  /** {@return this, computing in {@code type}, whatever the config or a stored folder has} */
  public QuantizedFormat computing(FloatType type) {
    return new QuantizedFormat(config, skip, merging, chosen, type);
  }

  @Override
  public Opened open(ModelConfig model, Checkpoint checkpoint, NDManager manager) {
    JsonNode stored = model.json().path("quantization_config");
    if (!stored.isObject() && config == null) {
      throw new QuantizationException(
          checkpoint.path() + ": expected a 'quantization_config' in config.json, found none");
    }
    FloatType configured =
        stored.isObject()
            ? StoredConfig.read(checkpoint, stored, config).computeType()
            : config.computeType();
    return new Loader(
        stored.isObject(),
        compute == null ? configured : compute,
        model.modelType(),
        checkpoint,
        manager);
  }

  /** Loads the weights of one model. */
  private final class Loader implements Opened {
    private final boolean stored;
    private final WeightSelection selection;
    private final Checkpoint checkpoint;
    private final NDManager manager;
    private final Workspace workspace;
    private final QuantKernels kernels;
    private final List<PackedWeight> placed = new ArrayList<>();

    /**
     * @param stored whether the checkpoint is quantized
     */
    Loader(
        boolean stored,
        FloatType compute,
        String modelType,
        Checkpoint checkpoint,
        NDManager manager) {
      this.stored = stored;
      this.selection = WeightSelection.linearLayers(modelType).keeping(skip);
      this.checkpoint = checkpoint;
      this.manager = manager;
      this.kernels = chosen != null ? chosen : QuantKernels.on(manager.getDevice());
      manager.attachInternal(UUID.randomUUID().toString(), this::close);
      // float16 is slow on processors, and float32 holds it
      this.workspace =
          new Workspace(
              manager,
              compute == FloatType.BF16 ? FloatType.BF16 : FloatType.F32,
              kernels.onDevice());
    }

    private void close() {
      placed.forEach(PackedWeight::close);
      if (chosen == null) {
        kernels.close();
      }
    }

    @Override
    public Projection load(Source source, Parameter bias) {
      QuantizedTensor weight = weight(source);
      if (weight == null) {
        return null;
      }
      long[] expected = {source.out(), source.in()};
      if (!Arrays.equals(weight.shape(), expected)) {
        throw new QuantizationException(
            String.format(
                Locale.ROOT,
                "%s: '%s': expected shape %s, found %s",
                checkpoint.path(source.tensor()),
                source.tensor(),
                Arrays.toString(expected),
                Arrays.toString(weight.shape())));
      }
      PackedWeight packed = kernels.place(weight);
      placed.add(packed);
      return new QuantizedProjection(
          manager,
          source,
          weight,
          packed,
          kernels,
          workspace,
          merging,
          bias,
          stored ? null : owner -> original(source, owner));
    }

    @Override
    public String weightOf(String tensor) {
      return BnbFormat.weightOf(tensor);
    }

    private QuantizedTensor weight(Source source) {
      if (BnbFormat.isQuantized(checkpoint, source.tensor())) {
        return BnbFormat.read(checkpoint, source.tensor());
      }
      DType type = checkpoint.info(source.tensor()).dtype();
      if (stored && (type == DType.U8 || type == DType.I8)) {
        throw new QuantizationException(
            String.format(
                Locale.ROOT,
                "%s: '%s': expected the other parts of a quantized weight beside its %s codes, found none",
                checkpoint.path(source.tensor()),
                source.tensor(),
                type));
      }
      // what a quantized folder keeps dense stays so
      if (stored || !wants(source)) {
        return null;
      }
      QuantizedTensor packed =
          new DenseWeight(checkpoint, source.tensor(), source.turned()).quantize(config);
      checkpoint.release(source.tensor());
      return outsideTheHeap(packed);
    }

    private NDArray original(Source source, NDManager owner) {
      float[] dense = new DenseWeight(checkpoint, source.tensor(), source.turned()).toFloats();
      checkpoint.release(source.tensor());
      return owner.create(dense, new Shape(source.out(), source.in()));
    }

    private boolean wants(Source source) {
      List<Long> shape = checkpoint.info(source.tensor()).shape();
      return selection.choose(source.tensor(), shape).quantizes();
    }

    private QuantizedTensor outsideTheHeap(QuantizedTensor packed) {
      ByteBuffer codes = packed.codes();
      NDArray memory =
          HostTensors.empty(manager, NativeTensor.Type.UINT8, new Shape(codes.remaining()));
      ByteBuffer copy = HostTensors.elements(memory);
      copy.duplicate().put(codes);
      return packed.withCodes(copy);
    }
  }
}
