package io.peft4j.train;

import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * A training in a process of its own whose memory can be watched: prints every 50 steps the step,
 * resident memory without the Java heap, the JVM's own part of that (metaspace, compiled code) and
 * direct buffers, in KiB, and how many arrays are alive.
 *
 * <p>Arguments: model folder, output folder, precision, steps, {@code causal} or {@code
 * classifier}.
 */
final class MemoryRun {

  private MemoryRun() {}

  public static void main(String[] arguments) throws IOException {
    Path folder = Path.of(arguments[0]);
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(Precision.valueOf(arguments[2]));
    if (arguments[4].equals("causal")) {
      try (CausalLm lm = CausalLm.load(folder, options)) {
        train(lm.model(), ModuleSelector.allLinear(), texts(lm), arguments);
      }
      return;
    }
    LabelNames labels = LabelNames.of(List.of("no", "yes"));
    try (Model model = Model.load(folder, options.withHead(Task.SINGLE_LABEL, labels))) {
      train(model, ModuleSelector.names("query", "value"), examples(model, 2000), arguments);
    }
  }

  private static void train(
      Model model, ModuleSelector targets, TrainingSet data, String[] arguments)
      throws IOException {
    try (AdaptedModel adapted = new AdaptedModel(model)) {
      LoraConfig config = LoraConfig.builder().targetModules(targets).loraDropout(0.05).build();
      adapted.add("a", config, 1);
      TrainingArguments training =
          TrainingArguments.builder()
              .maxSteps(Integer.parseInt(arguments[3]))
              .perDeviceTrainBatchSize(8)
              .build();
      TrainingListener listener = new Watch(model.manager());
      new Trainer(adapted, "a", training, data, null, listener, Path.of(arguments[1]), Map.of())
          .train(false);
    }
  }

  private static CausalSet texts(CausalLm lm) {
    Random random = new Random(3);
    List<TokenSequence> sequences = new ArrayList<>();
    for (int i = 0; i < 2000; i++) {
      int[] ids = random.ints(4 + random.nextInt(random.nextInt(200) + 1), 3, 512).toArray();
      sequences.add(lm.sequence(ids).withLabels(ids));
    }
    return new CausalSet(sequences);
  }

  private static ClassificationSet examples(Model model, int count) {
    Random random = new Random(3);
    List<TokenSequence> sequences = new ArrayList<>();
    float[][] targets = new float[count][1];
    for (int i = 0; i < count; i++) {
      int[] ids = random.ints(4 + random.nextInt(random.nextInt(200) + 1), 4, 1000).toArray();
      sequences.add(model.sequence(ids, null));
      targets[i][0] = ids[1] % 2;
    }
    return new ClassificationSet(sequences, targets);
  }

  private record Watch(NDManager manager) implements TrainingListener {
    @Override
    public void onStep(StepReport step) {
      if (step.step() % 50 == 0) {
        Runtime runtime = Runtime.getRuntime();
        long outside = step.memory().rssBytes().orElse(0) - runtime.totalMemory();
        System.out.printf(
            Locale.ROOT,
            "memory %d %d %d %d %d%n",
            step.step(),
            outside >> 10,
            jvm() >> 10,
            direct() >> 10,
            manager.getParentManager().getManagedArrays().size());
      }
    }

    private static long jvm() {
      return ManagementFactory.getMemoryPoolMXBeans().stream()
          .filter(pool -> pool.getType() == MemoryType.NON_HEAP)
          .mapToLong((MemoryPoolMXBean pool) -> pool.getUsage().getCommitted())
          .sum();
    }

    private static long direct() {
      return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
          .filter(pool -> pool.getName().equals("direct"))
          .mapToLong(BufferPoolMXBean::getMemoryUsed)
          .sum();
    }
  }
}
