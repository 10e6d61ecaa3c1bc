package io.peft4j.examples.code;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * The shape of a small Llama (Touvron et al., 2023) with a tied head, and its folder before any
 * training.
 *
 * @param vocabulary tokens
 * @param layers how many
 * @param hidden width of the states
 * @param heads of attention
 * @param keyHeads of keys and values
 * @param feedForward width within the feed-forward part
 * @param context tokens at most
 */
public record NewLlama(
    int vocabulary, int layers, int hidden, int heads, int keyHeads, int feedForward, int context) {

  private static final double SPREAD = 0.02;
  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  /** Writes {@code config.json}, {@code generation_config.json} and random weights. */
  public void write(Path folder, long seed) throws IOException {
    ObjectNode config = JSON.createObjectNode();
    config.putArray("architectures").add("LlamaForCausalLM");
    config
        .put("model_type", "llama")
        .put("vocab_size", vocabulary)
        .put("hidden_size", hidden)
        .put("intermediate_size", feedForward)
        .put("num_hidden_layers", layers)
        .put("num_attention_heads", heads)
        .put("num_key_value_heads", keyHeads)
        .put("head_dim", hidden / heads)
        .put("hidden_act", "silu")
        .put("max_position_embeddings", context)
        .put("rms_norm_eps", 1e-5)
        .put("rope_theta", 10000.0)
        .put("attention_bias", false)
        .put("mlp_bias", false)
        .put("tie_word_embeddings", true)
        .put("initializer_range", SPREAD)
        .put("bos_token_id", 0)
        .put("eos_token_id", 0)
        .put("torch_dtype", "float32");
    CheckpointWriter.write(
        folder, tensors(seed), Map.of("format", "pt"), CheckpointWriter.DEFAULT_SHARD_BYTES);
    writeJson(folder.resolve("config.json"), config);
    writeJson(
        folder.resolve("generation_config.json"),
        JSON.createObjectNode().put("bos_token_id", 0).put("eos_token_id", 0));
  }

  private static void writeJson(Path file, ObjectNode json) throws IOException {
    AtomicFiles.writeString(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json));
  }

  private List<TensorSource> tensors(long seed) {
    Random random = new Random(seed);
    int head = hidden / heads;
    List<TensorSource> tensors = new ArrayList<>();
    tensors.add(drawn("model.embed_tokens.weight", vocabulary, hidden, random));
    for (int i = 0; i < layers; i++) {
      String layer = "model.layers." + i + ".";
      tensors.add(ones(layer + "input_layernorm.weight"));
      tensors.add(drawn(layer + "self_attn.q_proj.weight", heads * head, hidden, random));
      tensors.add(drawn(layer + "self_attn.k_proj.weight", keyHeads * head, hidden, random));
      tensors.add(drawn(layer + "self_attn.v_proj.weight", keyHeads * head, hidden, random));
      tensors.add(drawn(layer + "self_attn.o_proj.weight", hidden, heads * head, random));
      tensors.add(ones(layer + "post_attention_layernorm.weight"));
      tensors.add(drawn(layer + "mlp.gate_proj.weight", feedForward, hidden, random));
      tensors.add(drawn(layer + "mlp.up_proj.weight", feedForward, hidden, random));
      tensors.add(drawn(layer + "mlp.down_proj.weight", hidden, feedForward, random));
    }
    tensors.add(ones("model.norm.weight"));
    return tensors;
  }

  private static TensorSource drawn(String name, int rows, int columns, Random random) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (SPREAD * random.nextGaussian());
    }
    return tensor(name, List.of((long) rows, (long) columns), values);
  }

  private TensorSource ones(String name) {
    float[] values = new float[hidden];
    Arrays.fill(values, 1);
    return tensor(name, List.of((long) hidden), values);
  }

  private static TensorSource tensor(String name, List<Long> shape, float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return TensorSource.of(name, DType.F32, shape, bytes);
  }
}
