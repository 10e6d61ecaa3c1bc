package io.peft4j.cli;

import io.peft4j.model.Model;
import io.peft4j.serve.AdapterRouter;
import picocli.CommandLine.Option;

/** How much runs at a time, waits, and stays in memory. */
@Heading("Engine")
final class RouterOptions {

  @Option(
      names = "--adapter-memory",
      converter = ByteSize.class,
      paramLabel = "SIZE",
      description = "For adapters' weights: those longest unused go when it is full. Default: 1GB.")
  private Long adapterMemory;

  @Option(
      names = "--cache-memory",
      converter = ByteSize.class,
      paramLabel = "SIZE",
      description = "For keys and values of running sequences. Default: 1GB.")
  private Long cacheMemory;

  @Option(
      names = "--max-batch",
      defaultValue = "32",
      paramLabel = "N",
      description = "Most sequences that run together. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Option(
      names = "--queue",
      defaultValue = "256",
      paramLabel = "N",
      description =
          "Most sequences that wait; more are told to come again (429). Default: ${DEFAULT-VALUE}.")
  private int queue;

  /** {@return sequences that can run, wait or be told at a time} */
  int requests() {
    return batch + 2 * queue;
  }

  AdapterRouter router(Model model) {
    AdapterRouter.Builder builder = AdapterRouter.builder(model).batch(batch).queue(queue);
    if (adapterMemory != null) {
      builder.adapterMemory(adapterMemory);
    }
    if (cacheMemory != null) {
      builder.cacheMemory(cacheMemory);
    }
    return builder.build();
  }
}
