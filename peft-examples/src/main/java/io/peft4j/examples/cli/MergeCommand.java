package io.peft4j.examples.cli;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.model.LoadOptions;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft merge}: base and adapters to a plain checkpoint. */
@Command(
    name = "merge",
    description = "Write a plain checkpoint with adapters folded into the weights.",
    mixinStandardHelpOptions = true)
final class MergeCommand implements Callable<Integer> {

  private static final List<String> TOKENIZER_FILES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "vocab.txt",
          "vocab.json",
          "merges.txt");

  @Mixin private ModelOptions model;

  @Option(
      names = "--adapter",
      required = true,
      paramLabel = "DIR",
      description = "Adapter folder; several are folded in one after the other.")
  private List<Path> adapters;

  @Option(names = "--output", required = true, paramLabel = "DIR", description = "Folder to write.")
  private Path output;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    Path folder = model.locate();
    if (Files.exists(output) && Files.isSameFile(folder, output)) {
      throw new IllegalArgumentException(
          "--output " + output + " is the base model, which is never written to");
    }
    // Always in float32: each tensor is rounded once, when it is written.
    try (Model base = model.load(adapters.get(0), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(base)) {
      List<String> names = new ArrayList<>();
      for (Path adapter : adapters) {
        for (Path part : AdapterMix.folders(adapter)) {
          names.add("adapter" + names.size());
          adapted.load(names.get(names.size() - 1), part);
        }
      }
      adapted.merge(names.toArray(String[]::new));
      ModelExport.write(base, output);
      for (String name : TOKENIZER_FILES) {
        if (Files.exists(folder.resolve(name))) {
          Files.copy(
              folder.resolve(name), output.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
    System.out.println("merged checkpoint saved in " + output);
    return 0;
  }
}
