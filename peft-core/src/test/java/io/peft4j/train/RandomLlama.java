package io.peft4j.train;

import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
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

/**
 * A Llama of random bfloat16 weights and any size, for tests of memory. The numbers repeat after a
 * million, so that writing gigabytes takes seconds.
 */
record RandomLlama(int layers, int hidden, int intermediate, int vocabulary) {

  private static final int PERIOD = 1_000_003;

  /** Writes {@code config.json} and the weights, in shards, to {@code folder}. */
  Path write(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.writeString(
        folder.resolve("config.json"),
        String.format(
            Locale.ROOT,
            """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": %d,
         "hidden_size": %d, "intermediate_size": %d, "num_hidden_layers": %d,
         "num_attention_heads": %d, "num_key_value_heads": %d, "hidden_act": "silu",
         "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "tie_word_embeddings": false}
        """,
            vocabulary,
            hidden,
            intermediate,
            layers,
            hidden / 64,
            hidden / 64));
    List<TensorSource> tensors = new ArrayList<>();
    tensors.add(tensor("model.embed_tokens", vocabulary, hidden));
    for (int i = 0; i < layers; i++) {
      String at = "model.layers." + i + ".";
      tensors.add(ones(at + "input_layernorm"));
      for (String name : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
        tensors.add(tensor(at + "self_attn." + name, hidden, hidden));
      }
      tensors.add(ones(at + "post_attention_layernorm"));
      tensors.add(tensor(at + "mlp.gate_proj", intermediate, hidden));
      tensors.add(tensor(at + "mlp.up_proj", intermediate, hidden));
      tensors.add(tensor(at + "mlp.down_proj", hidden, intermediate));
    }
    tensors.add(ones("model.norm"));
    tensors.add(tensor("lm_head", vocabulary, hidden));
    CheckpointWriter.write(folder, tensors, Map.of("format", "pt"), 500_000_000);
    return folder;
  }

  private TensorSource ones(String name) {
    ByteBuffer bytes = ByteBuffer.allocate(2 * hidden).order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      bytes.putShort((short) 0x3F80);
    }
    return TensorSource.of(name + ".weight", DType.BF16, List.of((long) hidden), bytes.flip());
  }

  private TensorSource tensor(String name, long rows, long columns) {
    return new TensorSource(
        name + ".weight",
        DType.BF16,
        List.of(rows, columns),
        out -> {
          Random random = new Random(name.hashCode());
          ByteBuffer block = ByteBuffer.allocate(2 * PERIOD).order(ByteOrder.LITTLE_ENDIAN);
          while (block.hasRemaining()) {
            float value = (float) (random.nextGaussian() / Math.sqrt(columns));
            block.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
          }
          block.flip();
          for (long left = 2 * rows * columns; left > 0; left -= block.limit()) {
            ByteBuffer part = block.duplicate();
            part.limit((int) Math.min(left, block.limit()));
            while (part.hasRemaining()) {
              out.write(part);
            }
          }
        });
  }
}
