package io.peft4j.cli.importer;

import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The tensors of a BERT under Hugging Face's names, collected from some other format and checked to
 * be all that belong to the model, and no others.
 */
final class BertWeights {

  private static final List<String> LAYER_MODULES =
      List.of(
          "attention.self.query",
          "attention.self.key",
          "attention.self.value",
          "attention.output.dense",
          "attention.output.LayerNorm",
          "intermediate.dense",
          "output.dense",
          "output.LayerNorm");

  private final String file;
  private final String prefix;
  private final Map<String, TensorSource> tensors = new TreeMap<>();

  /**
   * @param file where the tensors come from, for messages
   * @param prefix what stands before the encoder's names: nothing, or {@code bert.}
   */
  BertWeights(String file, String prefix) {
    this.file = file;
    this.prefix = prefix;
  }

  /**
   * Adds a tensor as it is.
   *
   * @param data float32, little-endian
   */
  void add(String name, List<Long> shape, ByteBuffer data) {
    put(TensorSource.of(name, DType.F32, shape, data));
  }

  /**
   * Adds the transpose of a matrix.
   *
   * @param shape the shape of {@code data}, [in, out]; the tensor has [out, in]
   * @param data float32, little-endian
   */
  void addTransposed(String name, List<Long> shape, ByteBuffer data) {
    if (shape.size() != 2) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected a matrix, found shape %s",
              file,
              name,
              shape));
    }
    int rows = Math.toIntExact(shape.get(0));
    int columns = Math.toIntExact(shape.get(1));
    // checks that the data is as long as the shape says
    TensorSource.of(name, DType.F32, shape, data);
    put(
        new TensorSource(
            name,
            DType.F32,
            List.of(shape.get(1), shape.get(0)),
            out -> {
              ByteBuffer transposed = transpose(data, rows, columns);
              while (transposed.hasRemaining()) {
                out.write(transposed);
              }
            }));
  }

  private static ByteBuffer transpose(ByteBuffer data, int rows, int columns) {
    FloatBuffer from = data.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    ByteBuffer bytes =
        ByteBuffer.allocate(rows * columns * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    FloatBuffer to = bytes.asFloatBuffer();
    for (int column = 0; column < columns; column++) {
      for (int row = 0; row < rows; row++) {
        to.put(from.get(row * columns + column));
      }
    }
    return bytes;
  }

  private void put(TensorSource tensor) {
    if (tensors.put(tensor.name(), tensor) != null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "%s: expected one tensor '%s', found two", file, tensor.name()));
    }
  }

  /** Checks that the tensors are those of a BERT and gives its dimensions. */
  Dimensions check() {
    int layers = 0;
    while (tensors.containsKey(prefix + "encoder.layer." + layers + ".output.dense.bias")) {
      layers++;
    }
    Set<String> missing = expectedNames(layers);
    missing.removeAll(tensors.keySet());
    Set<String> surplus = new TreeSet<>(tensors.keySet());
    surplus.removeAll(expectedNames(layers));
    if (!missing.isEmpty() || !surplus.isEmpty() || layers == 0) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected the tensors of a BERT, found %d layers, without %s, and with %s besides",
              file,
              layers,
              missing,
              surplus));
    }
    List<Long> words = shape("embeddings.word_embeddings.weight");
    Dimensions dimensions =
        new Dimensions(
            words.get(0),
            words.get(1),
            layers,
            shape("encoder.layer.0.intermediate.dense.weight").get(0),
            shape("embeddings.position_embeddings.weight").get(0),
            shape("embeddings.token_type_embeddings.weight").get(0),
            hasHead());
    tensors.forEach((name, tensor) -> checkShape(name, tensor.shape(), dimensions));
    return dimensions;
  }

  private Set<String> expectedNames(int layers) {
    List<String> modules = new ArrayList<>();
    modules.add(prefix + "embeddings.LayerNorm");
    for (int layer = 0; layer < layers; layer++) {
      for (String module : LAYER_MODULES) {
        modules.add(String.format(Locale.ROOT, "%sencoder.layer.%d.%s", prefix, layer, module));
      }
    }
    if (tensors.containsKey(prefix + "pooler.dense.weight")) {
      modules.add(prefix + "pooler.dense");
    }
    Set<String> names = new TreeSet<>();
    if (hasHead()) {
      modules.add("cls.predictions.transform.dense");
      modules.add("cls.predictions.transform.LayerNorm");
      names.add("cls.predictions.bias");
    }
    for (String module : modules) {
      names.add(module + ".weight");
      names.add(module + ".bias");
    }
    for (String table : List.of("word", "position", "token_type")) {
      names.add(prefix + "embeddings." + table + "_embeddings.weight");
    }
    return names;
  }

  private boolean hasHead() {
    return tensors.containsKey("cls.predictions.bias");
  }

  private List<Long> shape(String name) {
    List<Long> shape = tensors.get(prefix + name).shape();
    if (shape.size() != 2) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected a matrix, found shape %s",
              file,
              name,
              shape));
    }
    return shape;
  }

  private void checkShape(String name, List<Long> found, Dimensions is) {
    long wide = name.contains("intermediate") ? is.intermediate() : is.hidden();
    List<Long> expected;
    if (name.contains("_embeddings.")) {
      expected = List.of(found.get(0), is.hidden());
    } else if (name.equals("cls.predictions.bias")) {
      expected = List.of(is.vocabulary());
    } else if (name.endsWith(".bias") || name.contains("LayerNorm")) {
      expected = List.of(wide);
    } else if (name.matches(".*layer\\.\\d+\\.output\\.dense\\.weight")) {
      expected = List.of(is.hidden(), is.intermediate());
    } else {
      expected = List.of(wide, is.hidden());
    }
    if (!found.equals(expected)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected shape %s, found %s",
              file,
              name,
              expected,
              found));
    }
  }

  /** Writes {@code model.safetensors} into {@code folder}. */
  void write(Path folder) throws IOException {
    SafetensorsWriter.write(
        folder.resolve(Checkpoint.SINGLE), List.copyOf(tensors.values()), Map.of("format", "pt"));
  }

  /** What the shapes of the tensors say about the model. */
  record Dimensions(
      long vocabulary,
      long hidden,
      int layers,
      long intermediate,
      long positions,
      long tokenTypes,
      boolean maskedLmHead) {}
}
