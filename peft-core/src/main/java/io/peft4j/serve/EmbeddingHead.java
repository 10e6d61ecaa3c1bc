package io.peft4j.serve;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.HeadKind;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.head.Head;
import io.peft4j.model.head.Rows;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import io.peft4j.model.module.Pass;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Gives a vector of each text: the mean of its tokens' states, or the first token's where the
 * folder's {@code 1_Pooling/config.json}, as sentence-transformers writes it, says so; of length 1,
 * unless there is a {@code modules.json} without a {@code Normalize}. Other ways of pooling are
 * refused.
 */
public final class EmbeddingHead implements Head {

  /** For {@code Model.load}; of encoders without any head too. */
  public static final HeadKind KIND = EmbeddingHead::plan;

  private final boolean first;
  private final boolean normalized;

  private EmbeddingHead(boolean first, boolean normalized) {
    this.first = first;
    this.normalized = normalized;
  }

  private record Settled(ModelConfig config, Architecture architecture, Head head)
      implements HeadKind.Plan {
    @Override
    public String drawn() {
      return null;
    }

    @Override
    public HeadKind.Parts build(Weights weights) {
      return new HeadKind.Parts(architecture.body(weights, head.reading()), head);
    }
  }

  private static HeadKind.Plan plan(HeadKind.Source source) throws IOException {
    Path folder = source.folder();
    return new Settled(
        source.config(),
        source.architecture(),
        new EmbeddingHead(first(folder), normalized(folder)));
  }

  /** {@return whether the first token's state is the text's} */
  private static boolean first(Path folder) throws IOException {
    Path file = folder.resolve("1_Pooling").resolve("config.json");
    if (!Files.exists(file)) {
      return false;
    }
    JsonNode pooling = JsonFiles.read(file);
    boolean cls = pooling.path("pooling_mode_cls_token").asBoolean();
    boolean mean = pooling.path("pooling_mode_mean_tokens").asBoolean();
    if (cls == mean) {
      throw new IllegalArgumentException(
          file
              + ": expected either pooling_mode_cls_token or pooling_mode_mean_tokens, found "
              + pooling);
    }
    return cls;
  }

  private static boolean normalized(Path folder) throws IOException {
    Path file = folder.resolve("modules.json");
    if (!Files.exists(file)) {
      return true;
    }
    for (JsonNode module : JsonFiles.read(file)) {
      if (module.path("type").asText().endsWith("Normalize")) {
        return true;
      }
    }
    return false;
  }

  @Override
  public String taskType() {
    return "FEATURE_EXTRACTION";
  }

  @Override
  public Reading reading() {
    // of the text: not what adapters have put before it
    return sequence ->
        IntStream.range(0, sequence.length())
            .filter(t -> sequence.ids()[t] >= 0)
            .limit(first ? 1 : Integer.MAX_VALUE)
            .toArray();
  }

  @Override
  public List<Segment> segments() {
    return List.of();
  }

  @Override
  public float[][] outputs(NDArray states, Pass pass) {
    TokenBatch batch = pass.batch();
    float[][] tokens = Rows.of(states, batch.reads());
    long[] cells = batch.read().toLongArray();
    long[] owners = batch.owners().toLongArray();
    float[][] vectors = new float[batch.examples()][tokens[0].length];
    int[] counts = new int[batch.examples()];
    for (int i = 0; i < tokens.length; i++) {
      int example = (int) owners[(int) cells[i]] - 1;
      counts[example]++;
      for (int j = 0; j < tokens[i].length; j++) {
        vectors[example][j] += tokens[i][j];
      }
    }
    for (int i = 0; i < vectors.length; i++) {
      divide(vectors[i], normalized ? Math.max(length(vectors[i]), 1e-12) : counts[i]);
    }
    return vectors;
  }

  private static double length(float[] vector) {
    double square = 0;
    for (float x : vector) {
      square += (double) x * x;
    }
    return Math.sqrt(square);
  }

  private static void divide(float[] vector, double by) {
    for (int j = 0; j < vector.length; j++) {
      vector[j] = (float) (vector[j] / by);
    }
  }

  /** It is not trained by itself. */
  @Override
  public Map<String, Double> metrics(float[][] outputs, float[][] targets) {
    return Map.of();
  }
}
