package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.CausalExample;
import io.peft4j.examples.code.JavaSources;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.torch.Precision;
import io.peft4j.train.CausalSet;
import io.peft4j.train.Schedule;
import io.peft4j.train.TrainingArguments;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What tuning wins back of what four bits cost: a table of docs/quantization.md. */
@Tag("slow")
class FourBitTuningTest {

  @TempDir private static Path temp;

  @Test
  void tuningOnCodeLm() throws IOException {
    JavaSources jsoup = JavaSources.onClassPath("jsoup", "org/jsoup/Jsoup.java");
    Path folder = TrainedModels.codeLm();
    TrainedModels.Text train = TrainedModels.text(folder, jsoup.train());
    assertRecovers(
        "CodeLm, tuned to jsoup", folder, train, TrainedModels.text(folder, jsoup.heldOut()));
  }

  @Test
  void tuningOnStories() throws IOException {
    Path folder = TrainedModels.shared("models/stories260k");
    String all = Files.readString(TrainedModels.shared("data/text/tinyshakespeare.txt"));
    int end = all.length() / 10 * 9;
    TrainedModels.Text train = TrainedModels.text(folder, document(all.substring(0, end)));
    TrainedModels.Text heldOut = TrainedModels.text(folder, document(all.substring(end)));
    assertRecovers("stories260k, tuned to tinyshakespeare", folder, train, heldOut);
  }

  private static CausalDataset document(String text) {
    return new CausalDataset("text", List.of(new CausalExample.Text(text, true, 1)));
  }

  /** LoRA in bfloat16 on the dense base beside QLoRA, with the same seed, data and steps. */
  private static void assertRecovers(
      String name, Path folder, TrainedModels.Text train, TrainedModels.Text heldOut)
      throws IOException {
    LoadOptions dense = LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16);
    QuantizedFormat nf4 = QuantizedFormat.of(QuantizationConfig.nf4().withDoubleQuant(true));
    double[] lora = tuned(folder, dense, train, heldOut);
    double[] qlora = tuned(folder, dense.withFormat(nf4), train, heldOut);
    System.out.printf(
        Locale.ROOT,
        "| %s | %.2f | %.3f | %.2f | %.3f | %+.2f %% |%n",
        name,
        lora[0],
        lora[1],
        qlora[0],
        qlora[1],
        100 * (qlora[1] / lora[1] - 1));
    assertTrue(lora[1] < lora[0] / 2, Arrays.toString(lora));
    assertTrue(qlora[1] < 1.01 * lora[1], Arrays.toString(qlora));
  }

  private static double[] tuned(
      Path folder, LoadOptions options, TrainedModels.Text train, TrainedModels.Text heldOut)
      throws IOException {
    LoraConfig config =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .targetModules(ModuleSelector.allLinear())
            .taskType("CAUSAL_LM")
            .build();
    TrainingArguments arguments =
        TrainingArguments.builder()
            .maxSteps(150)
            .perDeviceTrainBatchSize(4)
            .learningRate(3e-3)
            .lrSchedulerType(Schedule.COSINE)
            .warmupRatio(0.05)
            .seed(0)
            .build();
    try (CausalLm lm = CausalLm.load(folder, options);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      CausalSet evaluation = heldOut.of(lm);
      double before = LanguageModelProject.perplexity(evaluation, lm);
      adapted.add("new", config, 0);
      Path output = temp.resolve("adapter");
      LanguageModelProject.train(adapted, "new", arguments, train.of(lm), output);
      return new double[] {before, LanguageModelProject.perplexity(evaluation, lm)};
    }
  }
}
