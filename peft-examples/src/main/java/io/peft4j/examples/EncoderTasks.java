package io.peft4j.examples;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.data.Splits;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.eval.Metrics;
import io.peft4j.examples.multitask.BaseResult;
import io.peft4j.examples.multitask.Latency;
import io.peft4j.examples.multitask.LoadTest;
import io.peft4j.examples.multitask.TaskResult;
import io.peft4j.model.Fingerprint;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.serve.ClassificationRequest;
import io.peft4j.serve.Classified;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import io.peft4j.train.ClassificationSet;
import io.peft4j.train.TrainingArguments;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/**
 * The half of practice project 3 that classifies: each task gets an adapter and, to compare, a
 * model of its own; then one base answers for all.
 *
 * @param base folder of an encoder
 * @param adapters folder for an adapter each
 * @param models folder for a fully tuned model each
 */
record EncoderTasks(Path base, Path adapters, Path models, MultiTask.Settings settings) {

  private static final double FULL_RATE = 3e-4;
  private static final double LORA_RATE = 2e-3;
  private static final double CLOSE = 1e-4;

  /** A trained task: what its held-out texts get from its adapter, and from its own model. */
  private record Trained(
      String name, Splits.Split split, List<Tokens> texts, float[][] alone, float[][] full) {

    double accuracy(float[][] logits) {
      TextDataset heldOut = split.heldOut();
      return IntStream.range(0, logits.length)
              .filter(i -> Metrics.argmax(logits[i]) == heldOut.labelId(i))
              .count()
          / (double) logits.length;
    }

    /** {@return the share of the class that is most frequent in training} */
    double floor() {
      int[] counts = new int[split.train().labelNames().size()];
      IntStream.range(0, split.train().size()).forEach(i -> counts[split.train().labelId(i)]++);
      int most =
          IntStream.range(0, counts.length)
              .reduce((a, b) -> counts[b] > counts[a] ? b : a)
              .orElse(0);
      TextDataset heldOut = split.heldOut();
      return IntStream.range(0, heldOut.size()).filter(i -> heldOut.labelId(i) == most).count()
          / (double) heldOut.size();
    }
  }

  BaseResult run(Map<String, TextDataset> tasks) throws IOException {
    String file = LanguageModelProject.fingerprint(base);
    LoraConfig lora =
        LoraConfig.builder()
            .r(settings.rank())
            .loraAlpha(2 * settings.rank())
            .targetModules(ModuleSelector.regex(SentimentLora.ATTENTION))
            .taskType("SEQ_CLS")
            .baseModel(base.toString())
            .build();
    List<Trained> trained = new ArrayList<>();
    for (Map.Entry<String, TextDataset> task : tasks.entrySet()) {
      String name = task.getKey();
      Splits.Split split =
          Splits.stratified(sample(task.getValue()), MultiTask.HELD_OUT, settings.seed());
      List<Tokens> texts = new ArrayList<>();
      float[][] alone = train(name, split, lora, LORA_RATE, adapters.resolve(name), texts);
      float[][] full =
          train(name, split, new FullConfig(), FULL_RATE, models.resolve(name), new ArrayList<>());
      trained.add(new Trained(name, split, texts, alone, full));
    }
    return serve(trained, file);
  }

  /** As many rows as are to be used, each class with its share; classes without one are gone. */
  private TextDataset sample(TextDataset data) {
    if (data.size() <= settings.rows()) {
      return data;
    }
    double share = settings.rows() / (double) data.size();
    TextDataset part = Splits.stratified(data, share, settings.seed()).heldOut();
    return TextDataset.of(data.source(), part.examples(), Task.SINGLE_LABEL);
  }

  /** {@return the logits of the held-out texts, whose tokens go to {@code texts}} */
  private float[][] train(
      String name,
      Splits.Split split,
      AdapterConfig config,
      double rate,
      Path folder,
      List<Tokens> texts)
      throws IOException {
    LoadOptions options =
        LoadOptions.DEFAULT
            .withNewHead(Task.SINGLE_LABEL, split.train().labelNames())
            .withSeed(settings.seed());
    TrainingArguments arguments =
        TrainingArguments.builder()
            .numTrainEpochs(settings.epochs())
            .perDeviceTrainBatchSize(16)
            .learningRate(rate)
            .warmupRatio(0.06)
            .seed(settings.seed())
            .build();
    try (Model model = Model.load(base, options);
        TextTokenizer tokenizer = TextTokenizer.of(base, model);
        AdaptedModel adapted = new AdaptedModel(model)) {
      texts.addAll(tokenizer.encodeAll(split.heldOut().examples()));
      adapted.add(name, config, settings.seed());
      ClassificationSet train = ClassificationSet.of(split.train(), tokenizer, model);
      LanguageModelProject.train(adapted, name, arguments, train, folder);
      // the names of the labels, which an adapter's own files have no place for
      adapted.model().config().write(folder);
      return ClassificationSet.of(split.heldOut(), tokenizer, model).logits(model, 64);
    }
  }

  private BaseResult serve(List<Trained> tasks, String file) throws IOException {
    try (Model model = Model.load(base, LoadOptions.DEFAULT);
        AdapterRouter router = AdapterRouter.builder(model).build();
        ModelEach own = ModelEach.of(models, tasks.stream().map(Trained::name).toList(), false)) {
      String before = Fingerprint.ofParameters(model);
      for (Trained task : tasks) {
        router.register(task.name, adapters.resolve(task.name));
      }
      List<float[][]> served = answers(router, tasks);
      List<TaskResult> results = new ArrayList<>();
      for (int i = 0; i < tasks.size(); i++) {
        results.add(result(tasks.get(i), served.get(i), router, own.bytes(i)));
      }
      List<String> names = tasks.stream().map(Trained::name).toList();
      List<Latency> latencies =
          new LoadTest(router, own.routers(), names, settings.requests())
              .run(
                  settings.clients(),
                  (asked, adapter, task, number) ->
                      ask(asked, adapter, tasks.get(task), number / names.size()));
      return new BaseResult(
          "encoder",
          MultiTask.weights(base),
          MultiTask.bytes(model),
          before,
          Fingerprint.ofParameters(model),
          file,
          LanguageModelProject.fingerprint(base),
          results,
          latencies);
    }
  }

  private static CompletableFuture<Classified> ask(
      AdapterRouter router, String adapter, Trained task, int text) {
    Tokens tokens = task.texts.get(text % task.texts.size());
    return router.classify(ClassificationRequest.of(adapter, tokens.ids(), tokens.types()));
  }

  /** {@return what the held-out texts of each task get, the tasks mixed in each batch} */
  private static List<float[][]> answers(AdapterRouter router, List<Trained> tasks) {
    List<float[][]> served = new ArrayList<>();
    int most = 0;
    for (Trained task : tasks) {
      served.add(new float[task.texts.size()][]);
      most = Math.max(most, task.texts.size());
    }
    int together = 32;
    for (int from = 0; from < most; from += together) {
      List<Runnable> waiting = new ArrayList<>();
      for (int i = from; i < Math.min(most, from + together); i++) {
        for (int t = 0; t < tasks.size(); t++) {
          if (i < tasks.get(t).texts.size()) {
            float[][] into = served.get(t);
            int row = i;
            CompletableFuture<Classified> answer = ask(router, tasks.get(t).name, tasks.get(t), i);
            waiting.add(() -> into[row] = answer.join().scores());
          }
        }
      }
      waiting.forEach(Runnable::run);
    }
    return served;
  }

  private TaskResult result(Trained task, float[][] served, AdapterRouter router, long model)
      throws IOException {
    int same = 0;
    for (int i = 0; i < served.length; i++) {
      boolean close = served[i].length == task.alone[i].length;
      for (int j = 0; close && j < served[i].length; j++) {
        close = Math.abs(served[i][j] - task.alone[i][j]) < CLOSE;
      }
      same += close ? 1 : 0;
    }
    return new TaskResult(
        task.name,
        task.split.train().size(),
        served.length,
        "accuracy",
        task.floor(),
        task.accuracy(served),
        task.accuracy(task.full),
        same,
        served.length,
        MultiTask.weights(adapters.resolve(task.name)),
        MultiTask.weights(models.resolve(task.name)),
        router.adapter(task.name).bytes(),
        model);
  }
}
