package io.peft4j.gguf;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import io.peft4j.model.family.GgufNames;
import io.peft4j.model.load.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;

/**
 * Writes a LoRA adapter for llama.cpp, as its {@code convert_lora_to_gguf.py} lays it out: {@code
 * NAME.lora_a} [r, in] and {@code NAME.lora_b} [out, r].
 *
 * <p>llama.cpp scales every module by {@code adapter.lora.alpha} over its own rank. What that
 * cannot say (rsLoRA, alpha patterns) goes into B: alpha is written as 1, and B multiplied by
 * scaling · rank.
 */
public final class GgufExport {

  private static final String HEAD = "lm_head";
  private static final String A = ".lora_A.weight";
  private static final String B = ".lora_B.weight";
  private static final String EMBEDDING_A = ".lora_embedding_A";
  private static final String EMBEDDING_B = ".lora_embedding_B";

  private GgufExport() {}

  /**
   * @param base config of the model that the adapter is for
   * @throws IOException if the file cannot be written; it is written whole or not at all
   * @throws IllegalArgumentException if llama.cpp has no way to say what the adapter holds: another
   *     method than LoRA, DoRA, trained biases or modules, tensors of the base that came with the
   *     adapter, an adapted embedding that is also the head, an architecture not known here
   */
  public static void write(Adapter adapter, ModelConfig base, Path file) throws IOException {
    GgufNames names = names(base.modelType());
    if (!(adapter.config() instanceof LoraConfig config)) {
      throw new IllegalArgumentException(
          "GGUF: only LoRA can be exported, found " + adapter.config().peftType());
    }
    if (config.init() == LoraInit.PISSA || config.init() == LoraInit.OLORA) {
      throw new IllegalArgumentException(
          "GGUF: an adapter that starts from the base's weights ("
              + config.init()
              + ") means another base than the one that llama.cpp has");
    }
    if (!adapter.carriedTensors().isEmpty()) {
      throw new IllegalArgumentException(
          "GGUF: llama.cpp's adapters cannot hold tensors of the base, and this one comes with "
              + String.join(", ", adapter.carriedTensors())
              + "; merge it into the base instead");
    }
    GgufWriter gguf =
        new GgufWriter()
            .put("general.type", "adapter")
            .put("general.architecture", names.architecture())
            .put("adapter.type", "lora")
            .put("adapter.lora.alpha", 1f);
    for (Map.Entry<String, NDArray> entry : adapter.tensors().entrySet()) {
      add(gguf, entry.getKey(), entry.getValue(), config, base, names);
    }
    gguf.write(file);
  }

  private static GgufNames names(String modelType) {
    Family family = Families.find(modelType);
    GgufNames names = family == null ? null : family.gguf();
    if (names == null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "GGUF: model_type %s is not one of %s",
              modelType,
              Families.all().stream()
                  .filter(known -> known.gguf() != null)
                  .map(Family::modelType)
                  .toList()));
    }
    return names;
  }

  private static void add(
      GgufWriter gguf,
      String key,
      NDArray tensor,
      LoraConfig config,
      ModelConfig base,
      GgufNames names) {
    int rows = (int) tensor.getShape().get(0);
    int columns = tensor.getShape().dimension() < 2 ? 1 : (int) tensor.getShape().get(1);
    float[] values = tensor.toFloatArray();
    if (key.endsWith(A)) {
      if (strip(key, A).equals(HEAD)) {
        checkUntied(HEAD, "embedding", base);
      }
      gguf.add(names.weight(strip(key, A)) + ".lora_a", rows, columns, values);
    } else if (key.endsWith(EMBEDDING_A)) {
      checkUntied(strip(key, EMBEDDING_A), "head", base);
      // llama.cpp looks rows up in it, one a token
      String name = names.weight(strip(key, EMBEDDING_A)) + ".lora_a";
      gguf.add(name, columns, rows, transpose(values, rows, columns));
    } else if (key.endsWith(B) || key.endsWith(EMBEDDING_B)) {
      String module = strip(key, key.endsWith(B) ? B : EMBEDDING_B);
      float factor = (float) (config.scalingOf(module) * columns);
      for (int i = 0; i < values.length; i++) {
        values[i] *= factor;
      }
      gguf.add(
          names.weight(module) + ".lora_b",
          rows,
          columns,
          names.permutes(module) ? permute(values, rows, columns, module, base) : values);
    } else {
      throw new IllegalArgumentException("GGUF: llama.cpp's adapters cannot hold " + key);
    }
  }

  /** llama.cpp has one tensor for both, and would look the head's up under the embedding's name. */
  private static void checkUntied(String module, String other, ModelConfig base) {
    if (base.tiesHead()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "GGUF: %s is also the %s (tie_word_embeddings), where llama.cpp cannot adapt it",
              module,
              other));
    }
  }

  private static String strip(String key, String end) {
    return key.substring(0, key.length() - end.length());
  }

  private static float[] transpose(float[] values, int rows, int columns) {
    float[] turned = new float[values.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        turned[j * rows + i] = values[i * columns + j];
      }
    }
    return turned;
  }

  /**
   * llama.cpp turns neighbouring elements of a head, Hugging Face element i and i + d/2: the rows
   * of queries and keys change places accordingly.
   */
  private static float[] permute(
      float[] values, int rows, int columns, String module, ModelConfig base) {
    int heads = base.integer("num_attention_heads");
    if (!module.endsWith(".q_proj")) {
      heads = base.integer("num_key_value_heads", heads);
    }
    int dim = rows / heads;
    float[] permuted = new float[values.length];
    for (int row = 0; row < rows; row++) {
      int within = row % dim;
      int to = row - within + (within < dim / 2 ? 2 * within : 2 * (within - dim / 2) + 1);
      System.arraycopy(values, row * columns, permuted, to * columns, columns);
    }
    return permuted;
  }
}
