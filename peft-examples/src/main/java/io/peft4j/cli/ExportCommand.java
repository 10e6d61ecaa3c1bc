package io.peft4j.cli;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.gguf.GgufExport;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft export}: an adapter in another program's format. */
@Command(
    name = "export",
    description = "Write a LoRA adapter for llama.cpp.",
    mixinStandardHelpOptions = true)
final class ExportCommand implements Callable<Integer> {

  @Mixin private BaseOption model;

  @Option(names = "--adapter", required = true, paramLabel = "DIR", description = "Its folder.")
  private Path adapter;

  @Option(names = "--gguf", required = true, paramLabel = "FILE", description = "File to write.")
  private Path gguf;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    try (Model base = model.loadAny(List.of(adapter), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(base)) {
      GgufExport.write(adapted.load("default", adapter), base.config(), gguf);
    }
    System.out.println("adapter saved as " + gguf);
    return 0;
  }
}
