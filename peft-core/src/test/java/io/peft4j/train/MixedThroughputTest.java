package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.compose.MixedAdapters;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** 32 rows with 32 adapters are hardly slower than with one for all. */
@Tag("slow")
class MixedThroughputTest {

  private static final int ADAPTERS = 32;
  private static final int ROUNDS = 15;

  @TempDir Path temp;

  @Test
  void manyAdaptersKeepTheThroughputOfOne() throws IOException {
    LoadOptions options =
        LoadOptions.DEFAULT.withHead(Task.SINGLE_LABEL, LabelNames.of(List.of("no", "yes")));
    try (Model model = Model.load(RandomBert.write(temp, 6, 384), options);
        AdaptedModel adapted = new AdaptedModel(model)) {
      LoraConfig config =
          LoraConfig.builder().r(8).taskType("SEQ_CLS").init(LoraInit.RANDOM).build();
      List<String> names = new ArrayList<>();
      List<TokenSequence> sequences = new ArrayList<>();
      Random random = new Random(3);
      for (int i = 0; i < ADAPTERS; i++) {
        names.add("adapter" + i);
        adapted.add(names.get(i), config, i).setTrainable(false);
        sequences.add(model.sequence(random.ints(40 + i % 9, 4, 900).toArray(), null));
      }
      double[] one = new double[ROUNDS];
      double[] many = new double[ROUNDS];
      try (MixedAdapters mixed = new MixedAdapters(adapted, names)) {
        for (int round = 0; round < ROUNDS; round++) {
          adapted.activate(names.get(0));
          long start = System.nanoTime();
          try (TokenBatch batch = model.batch(sequences)) {
            model.logits(batch);
          }
          long middle = System.nanoTime();
          mixed.logits(sequences, names);
          one[round] = (middle - start) / 1e6;
          many[round] = (System.nanoTime() - middle) / 1e6;
        }
      }
      Arrays.sort(one);
      Arrays.sort(many);
      // The machine may be busy with other things in some rounds: the fastest third tells.
      double ratio = one[ROUNDS / 3] / many[ROUNDS / 3];
      System.out.printf(
          Locale.ROOT,
          "32 rows: one adapter %.1f ms, 32 adapters %.1f ms, throughput %.2f of it%n",
          one[ROUNDS / 3],
          many[ROUNDS / 3],
          ratio);
      assertTrue(ratio >= 0.85, "throughput: " + ratio);
    }
  }
}
