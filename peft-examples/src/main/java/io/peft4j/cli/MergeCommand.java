package io.peft4j.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.model.Model;
import io.peft4j.model.ModelExport;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationError;
import io.peft4j.quant.projection.Merging;
import io.peft4j.quant.projection.PackedExport;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.quant.projection.QuantizedProjection;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.text.TokenizerFolders;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft merge}: base and adapters to a checkpoint, plain or as the base is packed. */
@Command(
    name = "merge",
    description = "Write a checkpoint with adapters folded into the weights.",
    mixinStandardHelpOptions = true)
final class MergeCommand implements Callable<Integer> {

  @Mixin private BaseOption model;

  @Mixin private QuantizationOptions quantization;

  @Option(
      names = "--adapter",
      required = true,
      paramLabel = "DIR",
      description =
          "Adapter folder; several are folded in one after the other, in float32; then each weight"
              + " is rounded, or packed, once.")
  private List<Path> adapters;

  @Option(names = "--output", required = true, paramLabel = "DIR", description = "Folder to write.")
  private Path output;

  @Option(
      names = "--overwrite",
      description = "Replace a result in --output; it is kept until the new one is whole.")
  private boolean overwrite;

  @Option(
      names = "--requantize",
      description =
          "Of a quantized base: quantize the merged weights as it is, and write a folder in"
              + " bitsandbytes' layout. Default: dense weights.")
  private boolean requantize;

  @Option(names = "--json", description = "Print JSON lines.")
  private boolean json;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    Path folder = model.locate();
    quantization.checkAgainst(folder);
    List<Path> inputs = new ArrayList<>(adapters);
    inputs.add(folder);
    try (OutputFolder result = OutputFolder.open(output, overwrite, inputs.toArray(Path[]::new))) {
      merge(folder, result);
    }
    return 0;
  }

  private void merge(Path folder, OutputFolder result) throws IOException {
    TokenizerFolders tokenizer = TokenizerFolders.of(folder, adapters);
    LoadOptions options = options(folder);
    try (Model base = model.loadAny(adapters, options);
        AdaptedModel adapted = new AdaptedModel(base)) {
      List<String> names = new ArrayList<>();
      for (Path adapter : adapters) {
        for (Path part : AdapterMix.folders(adapter)) {
          names.add("adapter" + names.size());
          adapted.loadOnAnyBase(names.get(names.size() - 1), part);
        }
      }
      adapted.merge(names.toArray(String[]::new));
      if (requantize) {
        PackedExport.write(base, result.path());
      } else {
        ModelExport.write(base, result.path());
      }
      TokenizerFiles.copy(tokenizer, folder, result.path());
      result.done();
      report(base);
    }
  }

  /**
   * Each merged tensor is computed in float32 and rounded once, to the type it is stored in. A base
   * that is bfloat16 throughout can stay so in memory; any other is read as float32.
   */
  private LoadOptions options(Path folder) throws IOException {
    boolean stored = ModelConfig.read(folder).json().hasNonNull("quantization_config");
    QuantizedFormat format = quantization.format(false);
    if (format == null && stored) {
      format = new QuantizedFormat();
    }
    if (format == null && requantize) {
      throw new IllegalArgumentException(
          "--requantize: expected a quantized base, or how it was quantized for the training"
              + " (--quantization nf4 ...); "
              + folder
              + " is dense");
    }
    boolean half = isBfloat16(folder);
    LoadOptions options =
        LoadOptions.DEFAULT.withPrecision(half ? Precision.BFLOAT16 : Precision.FLOAT32);
    if (format == null) {
      return options;
    }
    // packed weights that are to be dense become what ModelExport writes
    return options.withFormat(
        requantize
            ? format.merging(Merging.REQUANTIZE)
            : format
                .merging(Merging.DENSE)
                .computing(stored || half ? FloatType.BF16 : FloatType.F32));
  }

  private static boolean isBfloat16(Path folder) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return checkpoint.names().stream()
          .allMatch(name -> checkpoint.info(name).dtype() == DType.BF16);
    }
  }

  /** Says what keeping merged weights packed, or rounding them, has added to their error. */
  private void report(Model base) {
    ErrorReport report = new ErrorReport(json);
    Map<String, QuantizedProjection> merged = new LinkedHashMap<>(QuantizedProjection.in(base));
    merged.values().removeIf(projection -> projection.mergeError() == null);
    if (!merged.isEmpty()) {
      report.head();
    }
    double relative = 0;
    long count = 0;
    for (Map.Entry<String, QuantizedProjection> entry : merged.entrySet()) {
      QuantizedProjection projection = entry.getValue();
      QuantizationError error = projection.mergeError();
      List<Long> shape = List.of(projection.out(), projection.in());
      report.row(entry.getKey() + ".weight", shape, error, row -> row);
      relative += error.meanRelative() * error.count();
      count += error.count();
    }
    if (json) {
      ObjectNode line = JsonNodeFactory.instance.objectNode().put("output", output.toString());
      line.put("requantized", requantize).put("merged", merged.size());
      ErrorReport.print(count == 0 ? line : line.put("mean_relative", relative / count));
      return;
    }
    if (count > 0) {
      System.out.printf(
          Locale.ROOT,
          "%d merged weights %s: mean relative error added %.4f%n",
          merged.size(),
          requantize ? "quantized again" : "made dense",
          relative / count);
    }
    System.out.println("merged checkpoint saved in " + output);
  }
}
