package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.HeadKind;
import io.peft4j.model.Model;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.serve.ClassificationRequest;
import io.peft4j.serve.GenerationRequest;
import io.peft4j.train.report.ProcessMemory;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code peft bench-serve}: an {@link AdapterRouter} timed on random LoRA adapters. On a decoder,
 * streams over one adapter and over as many as there are streams, one stream with and without
 * adapter; on a classifier, texts likewise, and the texts of each adapter one after another. What
 * is compared runs in turn, round by round, since machines are not the same from one minute to the
 * next.
 */
@Command(
    name = "bench-serve",
    description = "Time requests for many adapters of one base; prints one JSON object.",
    mixinStandardHelpOptions = true)
final class BenchServeCommand implements Callable<Integer> {

  @Mixin private ModelOptions model;

  @Option(
      names = "--streams",
      defaultValue = "16",
      description = "Requests at a time, and adapters. Default: ${DEFAULT-VALUE}.")
  private int streams;

  @Option(
      names = "--rank",
      defaultValue = "16",
      description = "Of the adapters. Default: ${DEFAULT-VALUE}.")
  private int rank;

  @Option(
      names = "--targets",
      split = ",",
      paramLabel = "NAME",
      description = "Modules that the adapters are on. Default: all linear ones.")
  private List<String> targets;

  @Option(
      names = "--prompt",
      defaultValue = "32",
      description = "Tokens of a prompt, or a text. Default: ${DEFAULT-VALUE}.")
  private int prompt;

  @Option(
      names = "--new-tokens",
      defaultValue = "64",
      description = "Tokens of an answer. Default: ${DEFAULT-VALUE}.")
  private int newTokens;

  @Option(
      names = "--rounds",
      defaultValue = "3",
      description =
          "Of all kinds in turn, after one that is not counted. Default: ${DEFAULT-VALUE}.")
  private int rounds;

  @Option(names = "--output", paramLabel = "FILE", description = "File for the result.")
  private Path output;

  private final Random random = new Random(1);
  private final Map<String, Measured> measured = new LinkedHashMap<>();

  /** What all rounds of one kind took. */
  private static final class Measured {
    private final List<Double> seconds = new ArrayList<>();
    private double cpu;
    private long done;

    double rate() {
      return done / seconds.stream().mapToDouble(Double::doubleValue).sum();
    }

    double cpuRate() {
      return done / cpu;
    }
  }

  @Override
  public Integer call() throws IOException {
    boolean decoder =
        JsonFiles.read(model.locate().resolve("config.json"))
            .path("architectures")
            .path(0)
            .asText()
            .endsWith("CausalLM");
    try (ScratchFolder scratch = ScratchFolder.create();
        Model base =
            Model.load(
                model.locate(),
                model.loadOptions(),
                decoder ? HeadKind.LANGUAGE_MODEL : HeadKind.SEQUENCE_CLASSIFIER)) {
      List<Path> folders = adapters(base, scratch.path());
      try (AdapterRouter router = AdapterRouter.builder(base).batch(streams).build()) {
        for (int i = 0; i < streams; i++) {
          router.register("a" + i, folders.get(i));
        }
        for (int round = -1; round < rounds; round++) {
          if (round == 0) {
            measured.clear(); // the first one warms up
          }
          if (router.generates()) {
            generate(router);
          } else {
            classify(router);
          }
        }
      }
    }
    report();
    return 0;
  }

  private List<Path> adapters(Model base, Path scratch) throws IOException {
    LoraConfig.Builder config = LoraConfig.builder().r(rank).init(LoraInit.RANDOM);
    if (targets == null) {
      config.targetModules(ModuleSelector.allLinear());
    } else {
      config.targetModules(targets.toArray(String[]::new));
    }
    List<Path> folders = new ArrayList<>();
    try (AdaptedModel adapted = new AdaptedModel(base)) {
      for (int i = 0; i < streams; i++) {
        adapted.add("a" + i, config.build(), i);
        folders.add(scratch.resolve("a" + i));
        adapted.save("a" + i, folders.get(i), Map.of());
        adapted.delete("a" + i);
      }
    }
    return folders;
  }

  private void generate(AdapterRouter router) {
    time("one stream, base", 1, i -> null, router);
    time("one stream, LoRA", 1, i -> "a0", router);
    time("streams, one adapter", streams, i -> "a0", router);
    time("streams, an adapter each", streams, i -> "a" + i, router);
  }

  private void classify(AdapterRouter router) {
    time("texts, one adapter", streams, i -> "a0", router);
    time("texts, an adapter each", streams, i -> "a" + i, router);
    for (int i = 0; i < streams; i++) {
      String adapter = "a" + i;
      time("texts, one after another", 1, row -> adapter, router);
    }
  }

  /** Which adapter a request is for. */
  private interface Naming {
    String adapter(int request);
  }

  private void time(String kind, int count, Naming naming, AdapterRouter router) {
    OperatingSystemMXBean system =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    int vocabulary = router.model().vocabularySize();
    int[][] texts = new int[count][];
    for (int i = 0; i < count; i++) {
      texts[i] = random.ints(prompt, 5, vocabulary).toArray();
    }
    long cpu = system.getProcessCpuTime();
    long start = System.nanoTime();
    List<CompletableFuture<?>> results = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      results.add(ask(router, naming.adapter(i), texts[i]));
    }
    results.forEach(CompletableFuture::join);
    Measured sum = measured.computeIfAbsent(kind, key -> new Measured());
    sum.seconds.add((System.nanoTime() - start) / 1e9);
    sum.cpu += (system.getProcessCpuTime() - cpu) / 1e9;
    sum.done += (long) count * (router.generates() ? newTokens : 1);
  }

  private CompletableFuture<?> ask(AdapterRouter router, String adapter, int[] tokens) {
    if (!router.generates()) {
      return router.classify(ClassificationRequest.of(adapter, tokens, null));
    }
    GenerationConfig config = GenerationConfig.greedy().withMaxNewTokens(newTokens);
    return router
        .generate(GenerationRequest.builder(tokens).adapter(adapter).config(config).build())
        .result();
  }

  private void report() throws IOException {
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    result.put("streams", streams).put("rank", rank).put("rounds", rounds);
    ObjectNode kinds = result.putObject("per_second");
    ObjectNode cpu = result.putObject("per_cpu_second");
    measured.forEach(
        (kind, sum) -> {
          kinds.put(kind, sum.rate());
          cpu.put(kind, sum.cpuRate());
        });
    ProcessMemory.now()
        .peakRssBytes()
        .ifPresent(bytes -> result.put("peak_rss_mb", bytes / 1024.0 / 1024.0));
    JsonOutput.report(result, output);
  }
}
