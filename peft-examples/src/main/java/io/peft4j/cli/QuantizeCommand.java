package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.checkpoint.CheckpointQuantizer;
import io.peft4j.quant.checkpoint.QuantizedWeight;
import io.peft4j.quant.checkpoint.WeightSelection;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft quantize}: a checkpoint to one in 4 or 8 bits, as bitsandbytes stores it. */
@Command(
    name = "quantize",
    description = "Write a quantized copy of a model, which transformers with bitsandbytes loads.",
    mixinStandardHelpOptions = true)
final class QuantizeCommand implements Callable<Integer> {

  @Option(names = "--model", required = true, paramLabel = "DIR|ID", description = "The base.")
  private String model;

  @Option(names = "--output", required = true, paramLabel = "DIR", description = "Folder to write.")
  private Path output;

  @Option(
      names = "--overwrite",
      description = "Replace a result in --output; it is kept until the new one is whole.")
  private boolean overwrite;

  @Mixin private QuantizationOptions quantization;

  @Option(names = "--json", description = "Print JSON lines, one a weight and a summary.")
  private boolean json;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    QuantizationConfig wanted = quantization.config(false);
    if (wanted == null) {
      throw new IllegalArgumentException("name --quantization nf4, fp4 or int8");
    }
    Path folder = BaseOption.locate(model);
    try (OutputFolder result = OutputFolder.open(output, overwrite, folder)) {
      quantization.checkSkipped(folder);
      String modelType = ModelConfig.read(folder).modelType();
      new ErrorReport(json).head();
      List<QuantizedWeight> done =
          new CheckpointQuantizer(wanted)
              .quantize(
                  folder,
                  result.path(),
                  WeightSelection.linearLayers(modelType).keeping(quantization.skip()),
                  this::report);
      result.done();
      summarize(done);
    }
    return 0;
  }

  private void report(QuantizedWeight weight) {
    new ErrorReport(json)
        .row(
            weight.name(),
            weight.shape(),
            weight.error(),
            row ->
                row.put("dense_bytes", weight.denseBytes())
                    .put("stored_bytes", weight.storedBytes()));
  }

  private void summarize(List<QuantizedWeight> done) {
    long dense = done.stream().mapToLong(QuantizedWeight::denseBytes).sum();
    long stored = done.stream().mapToLong(QuantizedWeight::storedBytes).sum();
    long count = done.stream().mapToLong(weight -> weight.error().count()).sum();
    double bits = 8.0 * stored / count;
    if (json) {
      ErrorReport.print(
          JsonNodeFactory.instance
              .objectNode()
              .put("output", output.toString())
              .put("weights", done.size())
              .put("parameters", count)
              .put("dense_bytes", dense)
              .put("stored_bytes", stored)
              .put("bits_per_weight", bits));
      return;
    }
    System.out.printf(
        Locale.ROOT,
        "%d weights, %,d numbers: %.1f MB to %.1f MB, %.3f bits a weight; saved in %s%n",
        done.size(),
        count,
        dense / 1e6,
        stored / 1e6,
        bits,
        output);
  }
}
