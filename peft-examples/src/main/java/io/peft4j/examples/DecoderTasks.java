package io.peft4j.examples;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import io.peft4j.examples.multitask.BaseResult;
import io.peft4j.examples.multitask.Latency;
import io.peft4j.examples.multitask.LoadTest;
import io.peft4j.examples.multitask.TaskResult;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Fingerprint;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.serve.GenerationRequest;
import io.peft4j.serve.GenerationResult;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.CausalSet;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/**
 * The half of practice project 3 that generates: each task gets an adapter and, to compare, a model
 * of its own; then one base answers for all.
 *
 * @param base folder of a causal language model
 * @param adapters folder for an adapter each
 * @param models folder for a fully tuned model each
 */
record DecoderTasks(Path base, Path adapters, Path models, MultiTask.Settings settings) {

  private static final double LORA_RATE = 3e-3;
  private static final double FULL_RATE = 1e-3;
  private static final int PROMPTS = 8;

  /** Tokens of a prompt that is a file's beginning. */
  private static final int BEGINNING = 24;

  /** What is learnt, and what it is tried on. */
  record CausalTask(String name, CausalDataset train, CausalDataset heldOut) {

    /** One of {@code every} examples is held out. */
    static CausalTask of(String name, CausalDataset data, int every) {
      if (data.size() < every) {
        throw new IllegalArgumentException(
            data.source() + ": expected " + every + " examples or more, found " + data.size());
      }
      return new CausalTask(name, part(data, every, false), part(data, every, true));
    }

    private static CausalDataset part(CausalDataset data, int every, boolean heldOut) {
      return new CausalDataset(
          data.source(),
          IntStream.range(0, data.size())
              .filter(i -> ((i + 1) % every == 0) == heldOut)
              .mapToObj(data.examples()::get)
              .toList());
    }
  }

  private record Trained(
      CausalTask task,
      int trained,
      int heldOut,
      List<int[]> prompts,
      List<int[]> alone,
      double before,
      double adapter,
      double full) {

    String name() {
      return task.name;
    }
  }

  BaseResult run(List<CausalTask> tasks) throws IOException {
    String file = LanguageModelProject.fingerprint(base);
    List<Trained> trained = new ArrayList<>();
    for (CausalTask task : tasks) {
      LoraConfig lora =
          LoraConfig.builder()
              .r(settings.rank())
              .loraAlpha(2 * settings.rank())
              .targetModules(ModuleSelector.allLinear())
              .taskType("CAUSAL_LM")
              .baseModel(base.toString())
              .build();
      Trained own = train(task, new FullConfig(), FULL_RATE, models.resolve(task.name));
      Trained adapter = train(task, lora, LORA_RATE, adapters.resolve(task.name));
      trained.add(
          new Trained(
              task,
              adapter.trained,
              adapter.heldOut,
              adapter.prompts,
              adapter.alone,
              adapter.before,
              adapter.adapter,
              own.adapter));
    }
    return serve(trained, file);
  }

  /** {@return what came of it, as that of an adapter} */
  private Trained train(CausalTask task, AdapterConfig config, double rate, Path folder)
      throws IOException {
    try (CausalLm lm = CausalLm.load(base, LoadOptions.DEFAULT);
        CausalTokenizer tokenizer = CausalTokenizer.of(base, lm.model());
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      CausalSet train = CausalSet.of(task.train, tokenizer, lm.model(), MultiTask.BLOCK);
      CausalSet all = CausalSet.of(task.heldOut, tokenizer, lm.model(), MultiTask.BLOCK);
      CausalSet heldOut =
          all.size() <= settings.rows() ? all : all.sample(settings.rows(), settings.seed());
      double before = LanguageModelProject.perplexity(heldOut, lm);
      adapted.add(task.name, config, settings.seed());
      LanguageModelProject.train(
          adapted,
          task.name,
          LanguageModelProject.steps(settings.steps(), 4, rate, settings.seed()),
          train,
          folder);
      double after = LanguageModelProject.perplexity(heldOut, lm);
      List<int[]> prompts = prompts(task.heldOut, tokenizer, lm.maxLength());
      Generator generator = new Generator(lm, tokenizer);
      List<int[]> alone = new ArrayList<>();
      for (int[] prompt : prompts) {
        List<Generated> found =
            generator.generate(List.of(prompt), generation(), (row, token, text) -> {});
        alone.add(found.get(0).tokens());
      }
      return new Trained(
          task, train.size(), heldOut.size(), prompts, alone, before, after, Double.NaN);
    }
  }

  private GenerationConfig generation() {
    return GenerationConfig.greedy().withMaxNewTokens(settings.newTokens());
  }

  /** {@return questions, and the beginnings of files} */
  private List<int[]> prompts(CausalDataset data, CausalTokenizer tokenizer, int context) {
    int most = Math.min(MultiTask.BLOCK, context) - settings.newTokens();
    return data.examples().stream()
        .map(example -> prompt(example, tokenizer))
        .filter(prompt -> prompt.length > 0 && prompt.length <= most)
        .limit(PROMPTS)
        .toList();
  }

  private static int[] prompt(CausalExample example, CausalTokenizer tokenizer) {
    if (example instanceof CausalExample.Text text) {
      int[] all = tokenizer.encode(text.text().substring(0, Math.min(400, text.text().length())));
      return Arrays.copyOf(all, Math.min(BEGINNING, all.length));
    }
    if (example instanceof CausalExample.Completion completion) {
      return tokenizer.encode(completion.prompt());
    }
    return example instanceof CausalExample.Instruction task
        ? tokenizer.encode(task.asCompletion().prompt())
        : new int[0];
  }

  private BaseResult serve(List<Trained> tasks, String file) throws IOException {
    List<String> names = tasks.stream().map(Trained::name).toList();
    try (CausalLm lm = CausalLm.load(base, LoadOptions.DEFAULT);
        AdapterRouter router = AdapterRouter.builder(lm.model()).build();
        ModelEach own = ModelEach.of(models, names, true)) {
      String before = Fingerprint.ofParameters(lm.model());
      for (Trained task : tasks) {
        router.register(task.name(), adapters.resolve(task.name()));
      }
      List<Integer> same = same(router, tasks);
      List<TaskResult> results = new ArrayList<>();
      for (int i = 0; i < tasks.size(); i++) {
        results.add(result(tasks.get(i), same.get(i), router, own.bytes(i)));
      }
      List<Latency> latencies =
          new LoadTest(router, own.routers(), names, Math.max(1, settings.requests() / 2))
              .run(
                  settings.clients(),
                  (asked, adapter, task, number) ->
                      ask(asked, adapter, tasks.get(task), number / names.size()));
      return new BaseResult(
          "decoder",
          MultiTask.weights(base),
          MultiTask.bytes(lm.model()),
          before,
          Fingerprint.ofParameters(lm.model()),
          file,
          LanguageModelProject.fingerprint(base),
          results,
          latencies);
    }
  }

  private CompletableFuture<GenerationResult> ask(
      AdapterRouter router, String adapter, Trained task, int prompt) {
    return router
        .generate(
            GenerationRequest.builder(task.prompts.get(prompt % task.prompts.size()))
                .adapter(adapter)
                .config(generation())
                .build())
        .result();
  }

  /** {@return how many answers of each task, all asked for at once, are those of it alone} */
  private List<Integer> same(AdapterRouter router, List<Trained> tasks) {
    List<List<CompletableFuture<GenerationResult>>> answers = new ArrayList<>();
    for (Trained task : tasks) {
      answers.add(
          IntStream.range(0, task.prompts.size())
              .mapToObj(i -> ask(router, task.name(), task, i))
              .toList());
    }
    List<Integer> same = new ArrayList<>();
    for (int t = 0; t < tasks.size(); t++) {
      int task = t;
      same.add(
          (int)
              IntStream.range(0, answers.get(task).size())
                  .filter(
                      i ->
                          Arrays.equals(
                              answers.get(task).get(i).join().ids(), tasks.get(task).alone.get(i)))
                  .count());
    }
    return same;
  }

  private TaskResult result(Trained task, int same, AdapterRouter router, long model)
      throws IOException {
    return new TaskResult(
        task.name(),
        task.trained,
        task.heldOut,
        "perplexity",
        task.before,
        task.adapter,
        task.full,
        same,
        task.prompts.size(),
        MultiTask.weights(adapters.resolve(task.name())),
        MultiTask.weights(models.resolve(task.name())),
        router.adapter(task.name()).bytes(),
        model);
  }
}
