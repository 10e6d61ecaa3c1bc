package org.example.tokens;

import ai.djl.ndarray.NDArray;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.HeadKind;
import io.peft4j.model.batch.Reading;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.head.ClassifierMetrics;
import io.peft4j.model.head.Head;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Says something of each token, as {@code BertForTokenClassification} does: dropout and one linear
 * layer on every token's last state. Its loss is the cross entropy of the tokens that have labels.
 */
final class TokenClassifierHead implements Head {

  /** {@code Model.load(folder, options, KIND)}. */
  static final HeadKind KIND = HeadKind.labelled("classifier", TokenClassifierHead::new);

  private final Linear classifier;
  private final double dropout;
  private final LabelNames labels;

  private TokenClassifierHead(HeadKind.Site site) {
    labels = site.labels();
    classifier = site.weights().linearOrNew("classifier", labels.size(), site.hidden());
    double body = site.config().probability("hidden_dropout_prob", 0.1);
    dropout = site.config().probability("classifier_dropout", body);
  }

  @Override
  public String taskType() {
    return "TOKEN_CLS";
  }

  /** Every token but those that adapters put in front; what it should say is its own label. */
  @Override
  public Reading reading() {
    return new Reading() {
      private IntStream real(TokenSequence sequence) {
        return IntStream.range(0, sequence.length()).filter(t -> sequence.ids()[t] >= 0);
      }

      @Override
      public int[] tokens(TokenSequence sequence) {
        return real(sequence).toArray();
      }

      @Override
      public int[] targets(TokenSequence sequence) {
        int[] labels = sequence.labels();
        return real(sequence)
            .map(t -> labels == null ? TokenSequence.IGNORED : labels[t])
            .toArray();
      }
    };
  }

  @Override
  public List<Segment> segments() {
    return List.of(
        new Segment() {
          @Override
          public NDArray forward(NDArray states, Pass pass) {
            return classifier.forward(pass.dropout(states, dropout), pass);
          }

          @Override
          public Kept kept(TokenBatch batch) {
            long mask = KeptElements.ofDropout(classifier.projection().in(), dropout);
            return Kept.perToken(mask).plus(KeptElements.ofInput(List.of(classifier)));
          }

          @Override
          public List<Module> modules() {
            return List.of(classifier);
          }
        });
  }

  /** {@return loss, accuracy and the like over the tokens that have labels} */
  @Override
  public Map<String, Double> metrics(float[][] outputs, float[][] targets) {
    int[] labelled =
        IntStream.range(0, targets.length)
            .filter(i -> targets[i][0] != TokenSequence.IGNORED)
            .toArray();
    return ClassifierMetrics.of(
        Task.SINGLE_LABEL,
        Arrays.stream(labelled).mapToObj(i -> outputs[i]).toArray(float[][]::new),
        Arrays.stream(labelled).mapToObj(i -> targets[i]).toArray(float[][]::new));
  }

  @Override
  public Optional<LabelNames> labels() {
    return Optional.of(labels);
  }
}
