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
 * Gives a vector of each text, of length 1: the mean of its tokens' states, or the first token's
 * where the folder's {@code 1_Pooling/config.json}, as sentence-transformers writes it, says so.
 * Other ways of pooling are refused.
 */
public final class EmbeddingHead implements Head {

  /** For {@code Model.load}; of encoders without any head too. */
  public static final HeadKind KIND = EmbeddingHead::plan;

  private static final Reading ALL =
      sequence ->
          IntStream.range(0, sequence.length()).filter(t -> sequence.ids()[t] >= 0).toArray();

  private final boolean first;

  private EmbeddingHead(boolean first) {
    this.first = first;
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
    return new Settled(
        source.config(), source.architecture(), new EmbeddingHead(first(source.folder())));
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

  @Override
  public String taskType() {
    return "FEATURE_EXTRACTION";
  }

  @Override
  public Reading reading() {
    return first ? Reading.FIRST : ALL;
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
    float[][] sums = new float[batch.examples()][tokens[0].length];
    for (int i = 0; i < tokens.length; i++) {
      float[] sum = sums[(int) owners[(int) cells[i]] - 1];
      for (int j = 0; j < sum.length; j++) {
        sum[j] += tokens[i][j];
      }
    }
    for (float[] sum : sums) {
      double square = 0;
      for (float x : sum) {
        square += (double) x * x;
      }
      double length = Math.max(Math.sqrt(square), 1e-12);
      for (int j = 0; j < sum.length; j++) {
        sum[j] /= (float) length; // the mean's direction is the sum's
      }
    }
    return sums;
  }

  /** It is not trained by itself. */
  @Override
  public Map<String, Double> metrics(float[][] outputs, float[][] targets) {
    return Map.of();
  }
}
