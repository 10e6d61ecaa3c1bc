package io.peft4j.train;

import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import io.peft4j.train.report.ProcessMemory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Loads a decoder and runs it, which touches all its weights, in a process of its own. Prints how
 * many bytes the process's peak grew by. Arguments: a small model to warm up with, the model, the
 * precision.
 */
final class LoadRun {

  private LoadRun() {}

  public static void main(String[] arguments) throws IOException {
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(Precision.valueOf(arguments[2]));
    run(Path.of(arguments[0]), options);
    long before = ProcessMemory.now().rssBytes().orElseThrow();
    run(Path.of(arguments[1]), options);
    long peak = ProcessMemory.now().peakRssBytes().orElseThrow();
    System.out.println("grew " + (peak - before));
  }

  private static void run(Path folder, LoadOptions options) throws IOException {
    try (CausalLm lm = CausalLm.load(folder, options)) {
      int[] ids = {1, 2, 3, 4};
      lm.logProbs(List.of(lm.model().sequence(ids, null).withLabels(ids)));
    }
  }
}
