package io.peft4j.train;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.MemoryEstimate;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import io.peft4j.train.TrainingArguments.GradientCheckpointing;
import io.peft4j.train.report.ProcessMemory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Three steps of an adapter on a decoder in a process of their own. Prints the expected peak, the
 * measured one and how many layers were run again. Arguments: model folder, precision, row length,
 * targets (all, or names, of LoRA or with another method's type and a colon in front), dropout,
 * off|on|auto, budget in bytes.
 */
final class PeakRun {

  private PeakRun() {}

  public static void main(String[] arguments) throws IOException {
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(Precision.valueOf(arguments[1]));
    int length = Integer.parseInt(arguments[2]);
    AdapterConfig config = config(arguments[3], Double.parseDouble(arguments[4]));
    TrainingArguments training =
        TrainingArguments.builder()
            .gradientCheckpointing(GradientCheckpointing.valueOf(arguments[5]))
            .memoryBudget(Long.parseLong(arguments[6]))
            .build();
    try (CausalLm lm = CausalLm.load(Path.of(arguments[0]), options);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", config, 1);
      try (ParameterUpdates optimizer =
          new ParameterUpdates(adapter.tensors(), lm.model().manager(), training)) {
        long bytes = optimizer.stateBytes() + Float.BYTES * adapter.parameterCount();
        Recomputation recomputation = new Recomputation(lm.model(), training, bytes);
        long process = ProcessMemory.withoutFiles();
        long expected = 0;
        int layers = 0;
        for (int step = 0; step < 3; step++) {
          try (TokenBatch batch = batch(lm.model(), length, step)) {
            layers = recomputation.layers(batch);
            MemoryEstimate estimate = lm.model().estimate(batch, process, bytes);
            System.out.println(estimate);
            expected = Math.max(expected, estimate.peak(layers));
            lm.model().forwardBackward(batch, null, 1, step, layers);
          }
          optimizer.step(1e-4, 1);
          optimizer.clearGradients();
        }
        leaveGarbage();
        long measured = ProcessMemory.now().peakRssBytes().orElseThrow();
        System.out.println("peak " + expected + " " + measured + " " + layers);
      }
    }
  }

  private static AdapterConfig config(String text, double dropout) {
    String[] typed = text.split(":");
    String names = typed[typed.length - 1];
    ModuleSelector targets =
        names.equals("all") ? ModuleSelector.allLinear() : ModuleSelector.names(names.split(","));
    if (typed.length == 1) {
      return LoraConfig.builder().r(8).targetModules(targets).loraDropout(dropout).build();
    }
    MethodConfig config = MethodConfig.of(typed[0]);
    return config.knows("target_modules")
        ? config.with("target_modules", targets.toJson())
        : config;
  }

  /** As much as a longer run leaves before the heap is collected. */
  private static void leaveGarbage() {
    long left = Runtime.getRuntime().totalMemory();
    for (byte[] block = new byte[1 << 20]; left > 0; left -= block.length) {
      block = new byte[1 << 20];
      block[0] = 1;
    }
  }

  private static TokenBatch batch(Model model, int length, int step) {
    List<TokenSequence> sequences = new ArrayList<>();
    Random random = new Random(step);
    for (int i = 0; i < 3072 / length; i++) {
      int[] ids = random.ints(length, 3, 1000).toArray();
      sequences.add(model.sequence(ids, null).withLabels(ids));
    }
    return model.batch(sequences);
  }
}
