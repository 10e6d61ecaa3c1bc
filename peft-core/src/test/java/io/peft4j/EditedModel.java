package io.peft4j;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A copy of a model folder with another config or other tensors. */
public final class EditedModel implements AutoCloseable {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Checkpoint from;
  private final ObjectNode config;
  private final Map<String, TensorSource> tensors = new LinkedHashMap<>();

  public EditedModel(Path folder) throws IOException {
    from = Checkpoint.open(folder);
    config = (ObjectNode) JSON.readTree(folder.resolve("config.json").toFile());
    from.names().forEach(name -> tensors.put(name, from.source(name)));
  }

  /** {@return the folder {@code to} with a copy whose config is changed} */
  public static Path config(Path folder, Path to, Consumer<ObjectNode> change) throws IOException {
    try (EditedModel model = new EditedModel(folder)) {
      change.accept(model.config);
      return model.write(to);
    }
  }

  public ObjectNode config() {
    return config;
  }

  public Map<String, TensorSource> tensors() {
    return tensors;
  }

  public EditedModel remove(String name) {
    if (tensors.remove(name) == null) {
      throw new IllegalArgumentException("no tensor " + name);
    }
    return this;
  }

  /** Adds a tensor of zeros, or replaces one. */
  public EditedModel zeros(String name, DType type, long... shape) {
    List<Long> dimensions = Arrays.stream(shape).boxed().toList();
    long bits = dimensions.stream().reduce((long) type.bits(), (a, b) -> a * b);
    tensors.put(
        name, TensorSource.of(name, type, dimensions, ByteBuffer.allocate((int) (bits / 8))));
    return this;
  }

  /** Adds {@code name} with the rows of {@code table}, perhaps from the last to the first. */
  public EditedModel rows(String name, String table, boolean turned) {
    ByteBuffer rows = from.bytes(table);
    int count = Math.toIntExact(from.info(table).shape().get(0));
    int length = rows.remaining() / count;
    ByteBuffer copy = ByteBuffer.allocate(rows.remaining()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      copy.put(rows.slice((turned ? count - 1 - i : i) * length, length));
    }
    tensors.put(
        name,
        TensorSource.of(name, from.info(table).dtype(), from.info(table).shape(), copy.flip()));
    return this;
  }

  /** {@return {@code to}, written in one file} */
  public Path write(Path to) {
    return write(to, CheckpointWriter.DEFAULT_SHARD_BYTES);
  }

  public Path write(Path to, long maxShardBytes) {
    try {
      Files.createDirectories(to);
      JSON.writeValue(to.resolve("config.json").toFile(), config);
      CheckpointWriter.write(
          to, List.copyOf(tensors.values()), Map.of("format", "pt"), maxShardBytes);
      return to;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    from.close();
  }
}
