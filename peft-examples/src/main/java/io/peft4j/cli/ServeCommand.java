package io.peft4j.cli;

import io.peft4j.model.Model;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.server.PeftServer;
import io.peft4j.server.ServedModel;
import io.peft4j.server.ServerConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft serve}: one base and many adapters over HTTP. */
@Command(
    name = "serve",
    description = {
      "Serve a model and any number of its adapters over HTTP, with OpenAI's API: a request names",
      "an adapter as its model. Prints a line with the address once it is ready."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class ServeCommand implements Callable<Integer> {

  /** Requests that are looked at besides those that the router runs and keeps waiting. */
  private static final int SPARE_THREADS = 64;

  /** What a model is served as. */
  enum ServedTask {
    CAUSAL_LM,
    SEQ_CLS,
    EMBEDDING
  }

  @Mixin private ModelOptions model;

  @Option(
      names = "--adapter",
      paramLabel = "NAME=DIR",
      description = "An adapter and what requests call it; may be given several times.")
  private Map<String, Path> adapters = new LinkedHashMap<>();

  @Option(
      names = "--adapters",
      paramLabel = "FOLDER",
      description = "Serve every adapter folder in this one, by its name.")
  private Path folder;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "What requests call the base. Default: its folder's name, or its id.")
  private String name;

  @Option(
      names = "--task",
      description =
          "causal-lm, seq-cls or embedding. Default: what config.json and the adapters say.")
  private ServedTask task;

  @Mixin private RouterOptions router;

  @Mixin private ServeOptions server;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    ServerConfig settings = server.config(folder, router.requests() + SPARE_THREADS);
    Path base = model.locate();
    Map<String, Path> all = adapters();
    ServedTask settled = task == null ? ServedTasks.of(base, all.values()) : task;
    try (ServerExit exit = new ServerExit(server.grace());
        Model loaded = ServedTasks.load(settled, base, all.values(), model.loadOptions());
        AdapterRouter engine = router.router(loaded);
        ServedModel served = ServedTasks.serve(settled, name(base), base, loaded, engine)) {
      for (Map.Entry<String, Path> adapter : all.entrySet()) {
        register(served, adapter.getKey(), adapter.getValue());
      }
      run(served, settings, exit);
    }
    return 0;
  }

  private static void run(ServedModel served, ServerConfig settings, ServerExit exit)
      throws IOException {
    try (PeftServer running = PeftServer.start(served, settings)) {
      System.out.println(
          "serving "
              + served.name()
              + " with "
              + served.adapters().size()
              + " adapters on "
              + running.uri());
      System.out.flush();
      exit.await(running);
    }
  }

  private static void register(ServedModel served, String name, Path folder) throws IOException {
    try {
      served.register(name, folder);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("adapter '" + name + "': " + e.getMessage(), e);
    }
  }

  /** Those that are named, and those of the folder. */
  private Map<String, Path> adapters() throws IOException {
    Map<String, Path> all = new LinkedHashMap<>(adapters);
    if (folder != null) {
      List<Path> found;
      try (Stream<Path> within = Files.list(folder)) {
        found =
            within.filter(at -> Files.exists(at.resolve("adapter_config.json"))).sorted().toList();
      }
      for (Path each : found) {
        String called = each.getFileName().toString();
        if (all.putIfAbsent(called, each) != null) {
          throw new IllegalArgumentException(
              "--adapter and --adapters both have an adapter '" + called + "'");
        }
      }
    }
    return all;
  }

  private String name(Path base) throws IOException {
    if (name != null) {
      return name;
    }
    // an id as it was given; of a folder its last part
    return Files.isDirectory(Path.of(model.name()))
        ? base.toRealPath().getFileName().toString()
        : model.name();
  }
}
