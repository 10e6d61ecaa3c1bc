package io.peft4j.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.ReadBack;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Natives;
import io.peft4j.torch.Ops;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes a model, with what is merged or trained over it, as a plain Hugging Face checkpoint. */
public final class ModelExport {

  private static final Logger LOGGER = LoggerFactory.getLogger(ModelExport.class);
  private static final String QUANTIZATION = "quantization_config";
  private static final Set<DType> TYPES = EnumSet.of(DType.F32, DType.BF16, DType.F16);

  /** A tensor is converted and written in parts of about this size. */
  private static final long PART_ELEMENTS = 1 << 24;

  private ModelExport() {}

  /** As {@link #write(Model, Path, Map)}, without metadata. */
  public static void write(Model model, Path folder) throws IOException {
    write(model, folder, Map.of());
  }

  /** As {@link #write(Model, Path, Map, long)}, in shards of Hugging Face's usual size. */
  public static void write(Model model, Path folder, Map<String, String> metadata)
      throws IOException {
    write(model, folder, metadata, CheckpointWriter.DEFAULT_SHARD_BYTES);
  }

  /**
   * Writes {@code config.json} and {@code model.safetensors} (in shards if it is large) to {@code
   * folder}. A tensor keeps the element type and the orientation it has in the model's checkpoint;
   * a new one is float32. A head that was tied to the embedding is written, and the tie undone in
   * {@code config.json}, where the two have come to differ. Quantized weights are written as what
   * they stand for, in bfloat16 where the checkpoint has no dense ones.
   *
   * @param metadata of the tensor files, beside {@code format=pt}
   * @param maxShardBytes how many bytes of tensors a file may have
   * @throws IOException if writing fails; files are written whole or not at all
   * @throws IllegalArgumentException as {@link #checkTarget}
   * @throws ArithmeticException if a number is not finite in the type that its tensor is written in
   */
  public static void write(
      Model model, Path folder, Map<String, String> metadata, long maxShardBytes)
      throws IOException {
    ModelConfig config = model.config().without(QUANTIZATION);
    write(model, folder, config, ModelExport::dense, metadata, maxShardBytes);
  }

  /**
   * As {@link #write(Model, Path)}, but weights that are not kept dense are written as they are
   * kept.
   *
   * @param quantization the {@code quantization_config} of the folder's {@code config.json}
   * @throws IllegalStateException if what is merged into a weight is not kept in its format
   */
  public static void writePacked(Model model, Path folder, ObjectNode quantization)
      throws IOException {
    ObjectNode changes = JsonNodeFactory.instance.objectNode().set(QUANTIZATION, quantization);
    write(
        model,
        folder,
        model.config().with(changes),
        (owner, linear) -> linear.projection().packed(linear.name() + ".weight"),
        Map.of(),
        CheckpointWriter.DEFAULT_SHARD_BYTES);
  }

  private static void write(
      Model model,
      Path folder,
      ModelConfig described,
      BiFunction<Model, Linear, List<TensorSource>> packed,
      Map<String, String> metadata,
      long maxShardBytes)
      throws IOException {
    checkTarget(model, folder);
    if (!model.untrained().isEmpty()) {
      LOGGER.warn(
          "{}: newly initialized and not trained, but written: {}",
          folder,
          String.join(", ", model.untrained()));
    }
    List<TensorSource> tensors = new ArrayList<>();
    ModelConfig config = described;
    if (model.vocabularySize() != described.vocabularySize()) {
      config =
          config.with(
              JsonNodeFactory.instance.objectNode().put("vocab_size", model.vocabularySize()));
    }
    for (Module module : model.modules().leaves()) {
      if (module instanceof Linear linear && linear.weight() == null) {
        tensors.addAll(packed.apply(model, linear));
      }
    }
    for (Parameter parameter : model.modules().parameters()) {
      if (parameter.tied() != null) {
        if (parameter.value() == parameter.tied().value()) {
          continue;
        }
        config =
            config.with(JsonNodeFactory.instance.objectNode().put("tie_word_embeddings", false));
      }
      tensors.add(source(model, parameter));
    }
    Map<String, String> all = new TreeMap<>(metadata);
    all.put("format", "pt");
    CheckpointWriter.write(
        folder, tensors, all, maxShardBytes, Map.of(ModelConfig.FILE, config.content()));
    ReadBack.checkFolder(folder, tensors);
  }

  /**
   * Makes sure that {@code folder} is not the one that the model was loaded from.
   *
   * @throws IllegalArgumentException if it is
   */
  public static void checkTarget(Model model, Path folder) throws IOException {
    for (Path file : model.checkpoint().files()) {
      if (Files.exists(folder) && Files.isSameFile(folder, file.toAbsolutePath().getParent())) {
        throw new IllegalArgumentException(
            folder + ": expected another folder than the base model's, which is never written to");
      }
    }
  }

  private static TensorSource source(Model model, Parameter parameter) {
    List<Long> shape = new ArrayList<>(HostTensors.dimensions(parameter.shape()));
    if (parameter.turned()) {
      Collections.reverse(shape);
    }
    DType type = typeOf(model, parameter);
    return new TensorSource(
        storedName(model, parameter.name()), type, shape, out -> writeAs(parameter, type, out));
  }

  /** What a weight that is not kept dense stands for. */
  private static List<TensorSource> dense(Model model, Linear linear) {
    Projection projection = linear.projection();
    boolean turned = projection.turned();
    List<Long> shape =
        turned
            ? List.of(projection.in(), projection.out())
            : List.of(projection.out(), projection.in());
    DType type = typeOf(model, linear.name() + ".weight");
    DType stored = type == null ? DType.BF16 : type;
    return List.of(
        new TensorSource(
            linear.name() + ".weight",
            stored,
            shape,
            out -> {
              try (NDManager scope = Natives.newManager(Device.cpu())) {
                NDArray weight = projection.weight(scope);
                write(linear.name(), turned ? weight.transpose() : weight, stored, out);
              }
            }));
  }

  /** {@return the name that the model's checkpoint has in place of its tensor's, else that} */
  public static String storedName(Model model, String name) {
    return model.stored().renamed(name);
  }

  private static DType typeOf(Model model, Parameter parameter) {
    DType type = typeOf(model, parameter.name());
    if (type != null) {
      return type;
    }
    return parameter.tied() == null ? DType.F32 : typeOf(model, parameter.tied());
  }

  /** {@return the floating-point type that a tensor is stored in, or null for none} */
  private static DType typeOf(Model model, String name) {
    String stored = model.stored().find(name);
    DType type = stored == null ? null : model.checkpoint().info(stored).dtype();
    return TYPES.contains(type) ? type : null;
  }

  private static void writeAs(Parameter parameter, DType type, WritableByteChannel out)
      throws IOException {
    try (Autograd.Mode paused = Autograd.pause();
        NDArray value = Ops.detach(parameter.value());
        NDArray stored = parameter.turned() ? value.transpose() : Ops.detach(value)) {
      write(parameter.name(), stored, type, out);
    }
  }

  private static void write(String name, NDArray stored, DType type, WritableByteChannel out)
      throws IOException {
    long rows = stored.getShape().get(0);
    long step = Math.max(1, PART_ELEMENTS * rows / stored.size());
    for (long from = 0; from < rows; from += step) {
      try (NDArray part = stored.get(new NDIndex("{}:{}", from, Math.min(rows, from + step)));
          NDArray typed = typed(part, type);
          NDArray plain = typed.duplicate()) {
        checkFinite(name, part, plain, type);
        ByteBuffer bytes = HostTensors.elements(plain);
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
      }
    }
  }

  private static void checkFinite(String name, NDArray exact, NDArray rounded, DType type) {
    if (!Float.isFinite(largest(rounded))) {
      throw new ArithmeticException(
          String.format(
              Locale.ROOT,
              "%s: expected numbers that are finite in %s, which it is stored in; found one of size %s",
              name,
              type,
              largest(exact)));
    }
  }

  private static float largest(NDArray x) {
    try (NDArray wide = Ops.toFloat32(x);
        NDArray magnitudes = wide.abs();
        NDArray largest = magnitudes.max()) {
      return largest.getFloat();
    }
  }

  private static NDArray typed(NDArray x, DType type) {
    return switch (type) {
      case BF16 -> Ops.toBfloat16(x);
      case F16 -> x.toType(DataType.FLOAT16, true);
      default -> Ops.toFloat32(x);
    };
  }
}
