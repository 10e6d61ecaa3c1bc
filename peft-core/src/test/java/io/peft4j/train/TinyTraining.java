package io.peft4j.train;

import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/**
 * A training of seconds: the golden BERT of 25 thousand parameters, with dropout in the base and in
 * the adapter, on random tokens whose label is a function of the first.
 */
final class TinyTraining implements AutoCloseable {

  static final int EXAMPLES = 26;
  static final TrainingListener SILENT = new TrainingListener() {};

  private final Model model;
  private final AdaptedModel adapted;

  TinyTraining(Precision precision) throws IOException {
    this(Golden.path("encoders/bert"), precision);
  }

  TinyTraining(Path base) throws IOException {
    this(base, Precision.FLOAT32);
  }

  private TinyTraining(Path base, Precision precision) throws IOException {
    model = Model.load(base, LoadOptions.DEFAULT.withPrecision(precision));
    adapted = new AdaptedModel(model);
    adapted.add("a", config(), 1);
  }

  static TinyTraining create() throws IOException {
    return new TinyTraining(Precision.FLOAT32);
  }

  static LoraConfig config() {
    return LoraConfig.builder()
        .r(4)
        .loraAlpha(8)
        .targetModules("query", "value", "output.dense")
        .loraDropout(0.1)
        .taskType("SEQ_CLS")
        .build();
  }

  Model model() {
    return model;
  }

  AdaptedModel adapted() {
    return adapted;
  }

  Adapter adapter() {
    return adapted.adapter("a");
  }

  ClassificationSet examples(int count, long seed) {
    return examples(model, count, seed);
  }

  static ClassificationSet examples(Model model, int count, long seed) {
    Random random = new Random(seed);
    List<TokenSequence> sequences = new ArrayList<>();
    float[][] targets = new float[count][1];
    for (int i = 0; i < count; i++) {
      int[] ids = random.ints(3 + random.nextInt(15), 4, 119).toArray();
      sequences.add(model.sequence(ids, null));
      targets[i][0] = ids[0] % 3;
    }
    return new ClassificationSet(sequences, targets);
  }

  /** 21 steps in 3 epochs of 7 (26 examples, 2 x 2 at a time), evaluated and saved on the way. */
  static TrainingArguments.Builder arguments() {
    return TrainingArguments.builder()
        .numTrainEpochs(3)
        .perDeviceTrainBatchSize(2)
        .gradientAccumulationSteps(2)
        .learningRate(5e-3)
        .weightDecay(0.01)
        .warmupRatio(0.1)
        .evalStrategy(When.STEPS)
        .evalSteps(4)
        .saveStrategy(When.STEPS)
        .saveSteps(3)
        .loadBestModelAtEnd(true);
  }

  Trainer trainer(TrainingArguments arguments, TrainingListener listener, Path output) {
    return trainer(arguments, examples(EXAMPLES, 5), listener, output);
  }

  Trainer trainer(
      TrainingArguments arguments, TrainingSet data, TrainingListener listener, Path output) {
    return new Trainer(
        adapted, "a", arguments, data, examples(20, 6), listener, output, Map.of("made_by", "us"));
  }

  /** {@return the bytes of the adapter that a new run of those arguments gives} */
  static byte[] run(TrainingArguments arguments, Path output) throws IOException {
    try (TinyTraining training = create()) {
      training.trainer(arguments, SILENT, output).train(false);
      return weights(output);
    }
  }

  static RunSummary run(TrainingArguments arguments, TrainingListener listener, Path output)
      throws IOException {
    try (TinyTraining training = create()) {
      return training.trainer(arguments, listener, output).train(false);
    }
  }

  static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve(AdapterFiles.WEIGHTS));
  }

  /** {@return names of what lies in {@code folder}, sorted} */
  static List<String> names(Path folder) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
    }
  }

  @Override
  public void close() {
    adapted.close();
    model.close();
  }
}
