package io.peft4j.cli.importer;

import io.peft4j.io.MappedFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Reads a BERT out of the ONNX file that PyTorch's exporter makes of it. Embeddings, biases and
 * norms keep their names there. The exporter folds each dense weight's transposition into an
 * anonymous constant, {@code onnx::MatMul_885}; the node that multiplies by it is named after the
 * module: {@code /encoder/layer.0/attention/self/query/MatMul}.
 */
final class OnnxImport {

  private static final String SUFFIX = "/MatMul";

  private OnnxImport() {}

  /**
   * Makes a model's files.
   *
   * @param onnx the ONNX file's content
   * @param file its name, for messages
   * @param tokenizer its {@code tokenizer.json}
   * @param heads the number of attention heads
   * @param folder the folder to write to
   * @throws IOException if reading or writing fails
   * @throws IllegalArgumentException if the input is not that of a BERT in float32
   */
  static void run(InputStream onnx, String file, InputStream tokenizer, int heads, Path folder)
      throws IOException {
    // unpacked to a file, so that its weights need not be in memory
    Path unpacked = folder.resolve("model.onnx");
    try {
      Files.copy(onnx, unpacked);
      try (MappedFile mapped = MappedFile.open(unpacked)) {
        BertWeights weights =
            collect(file, OnnxGraph.read(file, mapped.buffer(0, mapped.length())));
        BertWeights.Dimensions dimensions = weights.check();
        BertFiles.writeTokenizer(folder, tokenizer, dimensions.vocabulary());
        weights.write(folder);
        BertFiles.writeConfig(folder, dimensions, heads);
      }
    } finally {
      Files.deleteIfExists(unpacked);
    }
  }

  private static BertWeights collect(String file, OnnxGraph graph) {
    BertWeights bert = new BertWeights(file, "");
    Map<String, OnnxGraph.Weight> anonymous = new HashMap<>();
    for (OnnxGraph.Weight weight : graph.weights()) {
      if (weight.name().endsWith("position_ids")) {
        continue; // just 0, 1, 2, …
      }
      checkFloats(file, weight);
      if (weight.name().startsWith("onnx::")) {
        anonymous.put(weight.name(), weight);
      } else {
        bert.add(weight.name(), weight.shape(), weight.data());
      }
    }
    Set<String> unused = new HashSet<>(anonymous.keySet());
    for (OnnxGraph.Node node : graph.nodes()) {
      if (!node.operator().equals("MatMul") || node.inputs().size() != 2) {
        continue;
      }
      OnnxGraph.Weight weight = anonymous.get(node.inputs().get(1));
      if (weight != null) {
        bert.addTransposed(parameterOf(file, node), weight.shape(), weight.data());
        unused.remove(weight.name());
      }
    }
    if (!unused.isEmpty()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected a MatMul node for each anonymous weight, found none for %s",
              file,
              unused));
    }
    return bert;
  }

  private static void checkFloats(String file, OnnxGraph.Weight weight) {
    if (weight.type() != OnnxGraph.FLOAT || !weight.data().hasRemaining()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected raw float32 data (type %d), found type %d and %d bytes",
              file,
              weight.name(),
              OnnxGraph.FLOAT,
              weight.type(),
              weight.data().remaining()));
    }
  }

  private static String parameterOf(String file, OnnxGraph.Node node) {
    String name = node.name();
    if (!name.startsWith("/") || !name.endsWith(SUFFIX)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected a node name like /encoder/layer.0/output/dense/MatMul, found '%s'",
              file,
              name));
    }
    return name.substring(1, name.length() - SUFFIX.length()).replace('/', '.') + ".weight";
  }
}
