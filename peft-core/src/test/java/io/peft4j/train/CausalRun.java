package io.peft4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.select.FullConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A training of the golden language model with accumulation, in a process of its own, to be killed.
 * Goes on from the last checkpoint if there is one; says each step. Arguments: output folder, what
 * to train.
 */
final class CausalRun implements TrainingListener {

  /** What is trained, and in which file the result lies. */
  enum Method {
    /** With dropout and LoRA+. */
    LORA(AdapterFiles.WEIGHTS),
    /** Every weight, in bfloat16 with float32 copies. */
    FULL("model.safetensors");

    private final String file;

    Method(String file) {
      this.file = file;
    }

    byte[] result(Path folder) throws IOException {
      return Files.readAllBytes(folder.resolve(file));
    }

    private Precision precision() {
      return this == FULL ? Precision.BFLOAT16 : Precision.FLOAT32;
    }

    private AdapterConfig config() {
      return this == FULL
          ? new FullConfig()
          : LoraConfig.builder()
              .r(4)
              .loraAlpha(8)
              .targetModules("q_proj", "down_proj")
              .loraDropout(0.1)
              .taskType("CAUSAL_LM")
              .build();
    }
  }

  private CausalRun() {}

  public static void main(String[] arguments) throws IOException {
    run(Path.of(arguments[0]), Method.valueOf(arguments[1]), new CausalRun());
  }

  /** 24 steps: 18 examples, 2 x 2 at a time, 5 an epoch. */
  static void run(Path output, Method method, TrainingListener listener) throws IOException {
    TrainingArguments.Builder arguments =
        TrainingArguments.builder()
            .maxSteps(24)
            .perDeviceTrainBatchSize(2)
            .gradientAccumulationSteps(2)
            .learningRate(2e-3)
            .groupByLength(true)
            .evalStrategy(When.STEPS)
            .evalSteps(6)
            .saveStrategy(When.STEPS)
            .saveSteps(3);
    if (method == Method.LORA) {
      arguments.loraplusLrRatio(4);
    }
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(method.precision());
    try (CausalLm lm = CausalLm.load(Golden.path("causal/llama"), options);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("a", method.config(), 1);
      CausalSet set = examples(lm);
      new Trainer(adapted, "a", arguments.build(), set, set, listener, output, Map.of())
          .train(true);
    }
  }

  static CausalSet examples(CausalLm lm) {
    List<TokenSequence> sequences = new ArrayList<>();
    for (JsonNode example : Golden.json("causal/golden.json").get("examples")) {
      int[] ids = Golden.ints(example.get("ids"));
      sequences.add(lm.model().sequence(ids, null).withLabels(Golden.ints(example.get("labels"))));
    }
    return new CausalSet(sequences);
  }

  @Override
  public void onStep(StepReport step) {
    System.out.println("step " + step.step());
  }
}
