package io.peft4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.LoraConfig;
import io.peft4j.model.CausalLm;
import io.peft4j.model.LoadOptions;
import io.peft4j.model.TokenSequence;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * LoRA on the golden language model, with dropout, accumulation and LoRA+, in a process of its own,
 * to be killed. Goes on from the last checkpoint if there is one; says each step. Argument: output
 * folder.
 */
final class CausalRun implements TrainingListener {

  private CausalRun() {}

  public static void main(String[] arguments) throws IOException {
    run(Path.of(arguments[0]), new CausalRun());
  }

  /** 24 steps: 18 examples, 2 x 2 at a time, 5 an epoch. */
  static void run(Path output, TrainingListener listener) throws IOException {
    TrainingArguments arguments =
        TrainingArguments.builder()
            .maxSteps(24)
            .perDeviceTrainBatchSize(2)
            .gradientAccumulationSteps(2)
            .learningRate(2e-3)
            .loraplusLrRatio(4)
            .groupByLength(true)
            .evalStrategy(When.STEPS)
            .evalSteps(6)
            .saveStrategy(When.STEPS)
            .saveSteps(3)
            .build();
    LoraConfig config =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .targetModules("q_proj", "down_proj")
            .loraDropout(0.1)
            .taskType("CAUSAL_LM")
            .build();
    try (CausalLm lm = CausalLm.load(Golden.path("causal/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("a", config, 1);
      CausalSet set = examples(lm);
      new Trainer(adapted, "a", arguments, set, set, listener, output, Map.of()).train(true);
    }
  }

  private static CausalSet examples(CausalLm lm) {
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
