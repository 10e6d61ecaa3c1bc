package io.peft4j.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Writes a model, with what is merged or trained over it, as a plain Hugging Face checkpoint. */
public final class ModelExport {

  private static final List<String> TYPES = List.of("F32", "BF16", "F16");

  private ModelExport() {}

  /**
   * Writes {@code config.json} and {@code model.safetensors} (in shards if it is large) to {@code
   * folder}. A tensor keeps the element type it has in the model's checkpoint; a new one is
   * float32.
   *
   * @throws IOException if writing fails; files are written whole or not at all
   */
  public static void write(Model model, Path folder) throws IOException {
    List<TensorSource> tensors = new ArrayList<>();
    for (Parameter parameter : model.modules().parameters()) {
      List<Long> shape = new ArrayList<>();
      for (long dimension : parameter.shape().getShape()) {
        shape.add(dimension);
      }
      DType type = typeOf(model, parameter.name());
      tensors.add(
          new TensorSource(
              parameter.name(), type, shape, out -> writeAs(parameter.value(), type, out)));
    }
    model.config().write(folder);
    CheckpointWriter.write(
        folder, tensors, Map.of("format", "pt"), CheckpointWriter.DEFAULT_SHARD_BYTES);
  }

  private static DType typeOf(Model model, String name) {
    String base = name.substring(name.indexOf('.') + 1);
    for (String stored : List.of(name, base)) {
      if (model.checkpoint().names().contains(stored)
          && TYPES.contains(model.checkpoint().info(stored).dtype().name())) {
        return model.checkpoint().info(stored).dtype();
      }
    }
    return DType.F32;
  }

  private static void writeAs(NDArray value, DType type, WritableByteChannel out)
      throws IOException {
    try (Autograd.Mode paused = Autograd.pause();
        NDArray typed =
            switch (type) {
              case BF16 -> Ops.toBfloat16(value);
              case F16 -> value.toType(DataType.FLOAT16, true);
              default -> Ops.toFloat32(value);
            };
        NDArray plain = typed.duplicate()) {
      ByteBuffer bytes = plain.toByteBuffer(true).order(ByteOrder.LITTLE_ENDIAN);
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
    }
  }
}
