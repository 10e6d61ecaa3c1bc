package io.peft4j.train;

import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/** A BERT of random weights, without a head, for tests that need a larger one than the golden. */
final class RandomBert {

  private static final int VOCABULARY = 1000;

  private final int layers;
  private final int hidden;
  private final List<TensorSource> tensors = new ArrayList<>();
  private final Random random = new Random(1);

  private RandomBert(int layers, int hidden) {
    this.layers = layers;
    this.hidden = hidden;
  }

  /** Writes {@code config.json} and {@code model.safetensors} to {@code folder}. */
  static Path write(Path folder, int layers, int hidden) throws IOException {
    RandomBert bert = new RandomBert(layers, hidden);
    bert.collect();
    Files.createDirectories(folder);
    SafetensorsWriter.write(
        folder.resolve("model.safetensors"), bert.tensors, Map.of("format", "pt"));
    Files.writeString(
        folder.resolve("config.json"),
        String.format(
            Locale.ROOT,
            """
        {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": %d,
         "hidden_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d,
         "intermediate_size": %d, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
         "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 256,
         "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0}
        """,
            VOCABULARY,
            hidden,
            layers,
            hidden / 32,
            4 * hidden));
    return folder;
  }

  private void collect() {
    String embeddings = "bert.embeddings.";
    weight(embeddings + "word_embeddings", VOCABULARY, hidden);
    weight(embeddings + "position_embeddings", 256, hidden);
    weight(embeddings + "token_type_embeddings", 2, hidden);
    norm(embeddings + "LayerNorm");
    for (int i = 0; i < layers; i++) {
      String at = "bert.encoder.layer." + i + ".";
      for (String name : List.of("self.query", "self.key", "self.value", "output.dense")) {
        linear(at + "attention." + name, hidden, hidden);
      }
      norm(at + "attention.output.LayerNorm");
      linear(at + "intermediate.dense", 4 * hidden, hidden);
      linear(at + "output.dense", hidden, 4 * hidden);
      norm(at + "output.LayerNorm");
    }
    linear("bert.pooler.dense", hidden, hidden);
  }

  private void linear(String name, long out, long in) {
    weight(name, out, in);
    add(name + ".bias", 0, out);
  }

  private void norm(String name) {
    add(name + ".weight", 1, hidden);
    add(name + ".bias", 0, hidden);
  }

  private void weight(String name, long rows, long columns) {
    ByteBuffer bytes = buffer(rows * columns);
    while (bytes.hasRemaining()) {
      bytes.putFloat((float) (0.05 * random.nextGaussian()));
    }
    tensors.add(TensorSource.of(name + ".weight", DType.F32, List.of(rows, columns), bytes.flip()));
  }

  private void add(String name, float value, long size) {
    ByteBuffer bytes = buffer(size);
    while (bytes.hasRemaining()) {
      bytes.putFloat(value);
    }
    tensors.add(TensorSource.of(name, DType.F32, List.of(size), bytes.flip()));
  }

  private static ByteBuffer buffer(long floats) {
    return ByteBuffer.allocate(Math.toIntExact(4 * floats)).order(ByteOrder.LITTLE_ENDIAN);
  }
}
