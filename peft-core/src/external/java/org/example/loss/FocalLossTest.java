package org.example.loss;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.train.CausalSet;
import io.peft4j.train.ClassificationSet;
import io.peft4j.train.LossFunction;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.TrainingSet;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A loss from outside: given to the arguments, it is what a training minimizes. */
class FocalLossTest {

  private static final int COUNT = 6;

  private static TrainingArguments.Builder arguments() {
    return TrainingArguments.builder()
        .maxSteps(6)
        .perDeviceTrainBatchSize(4)
        .learningRate(0.01)
        .saveStrategy(When.STEPS)
        .saveSteps(3);
  }

  private static Path golden(String name) {
    try {
      return Path.of(FocalLossTest.class.getResource("/golden/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static List<int[]> texts() {
    Random random = new Random(7);
    return IntStream.range(0, COUNT)
        .mapToObj(i -> random.ints(4 + random.nextInt(9), 4, 90).toArray())
        .toList();
  }

  private static ClassificationSet classes(Model model) {
    List<TokenSequence> sequences = new ArrayList<>();
    float[][] labels = new float[COUNT][1];
    for (int[] ids : texts()) {
      labels[sequences.size()][0] = ids[0] % 3;
      sequences.add(model.sequence(ids, null));
    }
    return new ClassificationSet(sequences, labels);
  }

  private static CausalSet continuations(Model model) {
    return new CausalSet(
        texts().stream().map(ids -> model.sequence(ids, null).withLabels(ids.clone())).toList());
  }

  /** {@return the loss of each step} */
  private static List<Double> train(
      Model model, TrainingSet data, TrainingArguments arguments, Path output, boolean resume)
      throws IOException {
    List<Double> losses = new ArrayList<>();
    try (AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.add("a", LoraConfig.builder().r(4).build(), 1);
      TrainingListener listener =
          new TrainingListener() {
            @Override
            public void onStep(StepReport step) {
              losses.add(step.loss());
            }
          };
      new Trainer(adapted, "a", arguments, data, null, listener, output, Map.of()).train(resume);
    }
    return losses;
  }

  private static List<Double> train(LossFunction loss, Path output, boolean resume)
      throws IOException {
    try (Model model = Model.load(golden("encoders/bert-no-dropout"), LoadOptions.DEFAULT)) {
      TrainingArguments arguments = arguments().computeLossFunc(loss).build();
      return train(model, classes(model), arguments, output, resume);
    }
  }

  /** The mean over examples, in doubles, from what the model says before any training. */
  private static double expected(Model model, ClassificationSet data, double gamma) {
    int[] all = IntStream.range(0, COUNT).toArray();
    double sum = 0;
    try (TokenBatch batch = data.batch(model, all)) {
      float[][] logits = model.logits(batch);
      for (int i : all) {
        double[] powers =
            IntStream.range(0, logits[i].length).mapToDouble(k -> Math.exp(logits[i][k])).toArray();
        double p =
            powers[texts().get(i)[0] % 3]
                / IntStream.range(0, powers.length).mapToDouble(k -> powers[k]).sum();
        sum -= Math.pow(1 - p, gamma) * Math.log(p);
      }
    }
    return sum / COUNT;
  }

  @Test
  void isWhatAClassifierMinimizes(@TempDir Path output) throws IOException {
    try (Model model = Model.load(golden("encoders/bert-no-dropout"), LoadOptions.DEFAULT)) {
      ClassificationSet data = classes(model);
      double expected = expected(model, data, 2);
      assertNotEquals(expected, expected(model, data, 0), 0.05);
      TrainingArguments arguments =
          arguments()
              .perDeviceTrainBatchSize(COUNT)
              .maxSteps(30)
              .computeLossFunc(new FocalLoss(2))
              .build();
      List<Double> losses = train(model, data, arguments, output, false);
      assertEquals(expected, losses.get(0), 1e-6);
      System.out.println("focal: loss " + losses.get(0) + ", after 29 steps " + losses.get(29));
      assertTrue(losses.get(29) < 0.5 * losses.get(0), losses::toString);
    }
  }

  /** Without focus it is cross entropy: the same training as by the head's own, written apart. */
  @Test
  void withoutFocusItIsTheHeadsOwn(@TempDir Path folder) throws IOException {
    try (Model classifier = Model.load(golden("encoders/bert-no-dropout"), LoadOptions.DEFAULT);
        CausalLm lm = CausalLm.load(golden("decoders/llama"), LoadOptions.DEFAULT)) {
      sameLosses(classifier, classes(classifier), folder.resolve("classifier"));
      sameLosses(lm.model(), continuations(lm.model()), folder.resolve("lm"));
    }
  }

  private static void sameLosses(Model model, TrainingSet data, Path folder) throws IOException {
    List<Double> own = train(model, data, arguments().build(), folder.resolve("own"), false);
    for (GradientCheckpointing mode : GradientCheckpointing.values()) {
      TrainingArguments given =
          arguments().computeLossFunc(new FocalLoss(0)).gradientCheckpointing(mode).build();
      List<Double> found = train(model, data, given, folder.resolve(mode.name()), false);
      assertEquals(own.size(), found.size());
      for (int i = 0; i < own.size(); i++) {
        assertEquals(own.get(i), found.get(i), 2e-5, mode + ", step " + (i + 1));
      }
    }
  }

  @Test
  void anotherLossDoesNotGoOn(@TempDir Path folder) throws IOException {
    train(new FocalLoss(2), folder, false);
    assertEquals(List.of(), train(new FocalLoss(2), folder, true));
    assertTrue(
        refused(new FocalLoss(1), folder)
            .contains("compute_loss_func (now focal(gamma=1), then focal(gamma=2))"));
    assertTrue(refused(null, folder).contains("compute_loss_func (now null, then focal(gamma=2))"));
  }

  private static String refused(LossFunction loss, Path folder) {
    return assertThrows(IllegalArgumentException.class, () -> train(loss, folder, true))
        .getMessage();
  }
}
