package io.peft4j.examples.cli;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.model.LoadOptions;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    try (Model base = model.loadAny(adapters.get(0), exactOptions(folder));
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
      TokenizerFiles.copy(folder, output);
    }
    System.out.println("merged checkpoint saved in " + output);
    return 0;
  }

  /**
   * Each merged tensor is computed in float32 and rounded once, to the type it is stored in. A base
   * that is bfloat16 throughout can stay so in memory; any other is read as float32.
   */
  private static LoadOptions exactOptions(Path folder) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      boolean half =
          checkpoint.names().stream().allMatch(name -> checkpoint.info(name).dtype() == DType.BF16);
      return LoadOptions.DEFAULT.withPrecision(half ? Precision.BFLOAT16 : Precision.FLOAT32);
    }
  }
}
