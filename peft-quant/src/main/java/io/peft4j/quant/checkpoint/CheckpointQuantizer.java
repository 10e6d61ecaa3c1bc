package io.peft4j.quant.checkpoint;

import io.peft4j.io.AtomicFiles;
import io.peft4j.io.Durable;
import io.peft4j.io.OutputLock;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.QuantizedTensor;
import io.peft4j.quant.bnb.BnbFormat;
import io.peft4j.quant.checkpoint.WeightSelection.Choice;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Quantizes a Hugging Face checkpoint folder to one that {@code transformers} with bitsandbytes
 * loads, tensor by tensor: the source is mapped, and one quantized weight at a time is in memory.
 */
public final class CheckpointQuantizer {
  private static final Pattern WEIGHTS =
      Pattern.compile(
          ".*\\.(safetensors|safetensors\\.index\\.json|bin|bin\\.index\\.json|pth?|h5|msgpack|onnx|gguf)");

  private final QuantizationConfig config;
  private final long maxShardBytes;

  /** Writes shards of 5 GB at most. */
  public CheckpointQuantizer(QuantizationConfig config) {
    this(config, CheckpointWriter.DEFAULT_SHARD_BYTES);
  }

  /**
   * @param config how weights are quantized
   * @param maxShardBytes the most bytes of tensors in a file
   */
  public CheckpointQuantizer(QuantizationConfig config, long maxShardBytes) {
    this.config = config;
    this.maxShardBytes = maxShardBytes;
  }

  /**
   * Quantizes the linear layers as {@link WeightSelection#linearLayers} has it.
   *
   * @see #quantize(Path, Path, WeightSelection, Consumer)
   */
  public List<QuantizedWeight> quantize(Path model, Path output) throws IOException {
    String modelType = HfConfig.read(model).modelType();
    return quantize(model, output, WeightSelection.linearLayers(modelType), weight -> {});
  }

  /**
   * Quantizes a checkpoint. Files that hold no weights, such as the tokenizer's, are copied. The
   * output folder needs room for the quantized weights twice while this runs.
   *
   * @param model a folder with {@code config.json} and safetensors files
   * @param output another folder, made if absent; {@code config.json} is written last
   * @param selection which tensors are quantized
   * @param progress told of every weight as it is done
   * @return what was quantized, in the checkpoint's order
   * @throws IOException if a file cannot be read or written, or another run writes to the folder
   * @throws QuantizationException if a weight cannot be quantized, the message naming it, or none
   *     is selected, or the model is quantized already
   */
  public List<QuantizedWeight> quantize(
      Path model, Path output, WeightSelection selection, Consumer<QuantizedWeight> progress)
      throws IOException {
    HfConfig modelConfig = HfConfig.read(model);
    Durable.createDirectories(output);
    if (Files.isSameFile(model, output)) {
      throw new QuantizationException(output + ": a base is never written to; name another folder");
    }
    List<QuantizedWeight> done = new ArrayList<>();
    TreeSet<String> kept = new TreeSet<>();
    try (OutputLock lock = OutputLock.of(output);
        Checkpoint checkpoint = Checkpoint.open(model);
        SpillFile spill = new SpillFile(output)) {
      modelConfig = modelConfig.settled(model, checkpoint);
      List<TensorSource> tensors = new ArrayList<>();
      for (String name : checkpoint.names()) {
        Choice choice = selection.choose(name, checkpoint.info(name).shape());
        if (choice == Choice.KEEP_LINEAR) {
          kept.add(module(name));
        }
        if (choice == Choice.KEEP || choice == Choice.KEEP_LINEAR) {
          tensors.add(checkpoint.source(name));
          continue;
        }
        QuantizedTensor packed = quantize(checkpoint, name, choice, done);
        for (TensorSource part : BnbFormat.write(name, packed)) {
          tensors.add(spill.spill(part));
        }
        progress.accept(done.get(done.size() - 1));
      }
      if (done.isEmpty()) {
        throw new QuantizationException(model + ": has no weight to quantize");
      }
      kept.add("lm_head"); // a tied head has no tensor, but transformers makes the module
      copyOtherFiles(model, output);
      String described = modelConfig.with(config, List.copyOf(kept));
      CheckpointWriter.write(
          output,
          tensors,
          Map.of("format", "pt"),
          maxShardBytes,
          Map.of(HfConfig.FILE, AtomicFiles.text(described)));
    }
    return List.copyOf(done);
  }

  private QuantizedTensor quantize(
      Checkpoint checkpoint, String name, Choice choice, List<QuantizedWeight> done) {
    TensorInfo info = checkpoint.info(name);
    DenseWeight weight = new DenseWeight(checkpoint, name, choice == Choice.TRANSPOSE_AND_QUANTIZE);
    QuantizedTensor packed = weight.quantize(config);
    done.add(
        new QuantizedWeight(
            name, info.shape(), info.length(), packed.storedBytes(), weight.error(packed)));
    checkpoint.release(name);
    return packed;
  }

  private static String module(String weight) {
    return weight.substring(0, weight.lastIndexOf('.'));
  }

  private static void copyOtherFiles(Path model, Path output) throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.list(model)) {
      files = all.filter(Files::isRegularFile).toList();
    }
    for (Path file : files) {
      String name = file.getFileName().toString();
      if (!name.equals(HfConfig.FILE) && !WEIGHTS.matcher(name).matches()) {
        AtomicFiles.write(output.resolve(name), AtomicFiles.copyOf(file));
      }
    }
  }
}
