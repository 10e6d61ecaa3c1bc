package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.MemoryEstimate;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The estimate of a step's memory: its arithmetic, and beside what processes really took. */
class MemoryEstimateTest {

  private static final int LAYERS = 8;
  private static final Path BERT = Golden.path("encoders/bert");

  @Test
  void asFewLayersAsTheBudgetNeeds() {
    MemoryEstimate estimate =
        new MemoryEstimate(100, 50, 30, 20, List.of(40L, 40L, 40L, 40L), 10, 25);
    assertEquals(200 + 1.5 * (160 + 25), estimate.peak(0), 1);
    assertEquals(200 + 1.5 * (80 + 25), estimate.peak(2), 1);
    assertEquals(200 + 1.5 * (40 + 25), estimate.peak(3), 1);
    assertEquals(200 + 1.5 * (40 + 10), estimate.peak(4), 1, "one layer's graph is made again");
    assertEquals(0, estimate.recomputedWithin(478));
    assertEquals(1, estimate.recomputedWithin(476));
    assertEquals(2, estimate.recomputedWithin(360));
    assertEquals(4, estimate.recomputedWithin(280));
    assertEquals(4, estimate.recomputedWithin(1), "more cannot be done");
  }

  /** A product keeps those of its factors that the other one's gradient needs. */
  @Test
  void anUngatedLibraryLoraKeepsWhatPeftsLoraKeeps() throws IOException {
    int rank = 8;
    long hidden = hidden();
    LoraConfig.Builder lora = LoraConfig.builder().r(rank).targetModules("query", "value");
    MethodConfig plain = MethodConfig.of("GATED_LORA").with("r", rank).with("use_gating", false);
    MethodConfig gated = plain.with("use_gating", true);
    long kept = keptByToken(lora.build());
    assertEquals(kept, keptByToken(plain));
    long gates = 2 * (rank + 1); // themselves, and what they scale
    assertEquals(kept + gates, keptByToken(gated));
    // two masks and what they leave, in place of the input that query and value share
    long dropped = kept + 4 * hidden - hidden;
    assertEquals(dropped, keptByToken(lora.loraDropout(0.1).build()));
    assertEquals(dropped, keptByToken(plain.with("dropout", 0.1)));
    assertEquals(
        dropped + gates + hidden,
        keptByToken(gated.with("dropout", 0.1)),
        "a gate reads the input itself");
  }

  /** As torch's saved tensors are, for the same expressions. */
  @Test
  void othersKeepWhatTheirTrainedTensorsAreMultipliedWith() throws IOException {
    int rank = 8;
    long hidden = hidden();
    LoraConfig.Builder lora = LoraConfig.builder().r(rank).targetModules("query", "value");
    long input = keptByToken(lora.build()) - 2 * rank;
    List<String> targets = List.of("query", "value");

    MethodConfig adalora =
        MethodConfig.of("ADALORA")
            .with("target_modules", targets)
            .with("init_r", rank)
            .with("total_step", 10);
    assertEquals(input + 2 * rank, keptByToken(adalora));
    assertEquals(
        input - hidden + 2 * rank + 4 * hidden, keptByToken(adalora.with("lora_dropout", 0.1)));

    MethodConfig vera = MethodConfig.of("VERA").with("target_modules", targets).with("r", rank);
    assertEquals(input - hidden + 2 * (rank + hidden), keptByToken(vera));
    assertEquals(
        input - hidden + 2 * (rank + hidden) + 2 * hidden,
        keptByToken(vera.with("vera_dropout", 0.1)));

    MethodConfig ia3 =
        MethodConfig.of("IA3")
            .with("target_modules", targets)
            .with("feedforward_modules", List.of());
    assertEquals(input - hidden + 2 * hidden, keptByToken(ia3));
  }

  private static long hidden() throws IOException {
    return ModelConfig.read(BERT).json().path("hidden_size").asLong();
  }

  /** {@return the elements that a layer keeps for a token, all its inputs aside} */
  private static long keptByToken(AdapterConfig config) throws IOException {
    try (Model model = Model.load(BERT, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model);
        TokenBatch batch = model.batch(List.of(model.sequence(new int[] {5, 6, 7, 8}, null)))) {
      adapted.add("a", config, 1).setTrainable(true);
      List<Long> graphs = model.estimate(batch, 0, 0).graphs();
      long bytes = batch.computedTokens() * Float.BYTES;
      assertEquals(0, graphs.get(0) % bytes);
      return graphs.get(0) / bytes;
    }
  }

  private record Peak(long expected, long measured, int layers) {
    double ratio() {
      return (double) expected / measured;
    }
  }

  private static Peak run(
      Path model,
      Precision precision,
      int length,
      String targets,
      double dropout,
      String mode,
      long budget)
      throws Exception {
    Process process =
        Fork.start(
            PeakRun.class,
            List.of("-Xmx96m", "-XX:+UseSerialGC"),
            model,
            precision,
            length,
            targets,
            dropout,
            mode,
            budget);
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    String[] words =
        output
            .lines()
            .filter(line -> line.startsWith("peak "))
            .findFirst()
            .orElseThrow()
            .split(" ");
    Peak peak =
        new Peak(Long.parseLong(words[1]), Long.parseLong(words[2]), Integer.parseInt(words[3]));
    System.out.printf(
        Locale.ROOT,
        "%s %s x %d, %s, dropout %s, %s: expected %d MiB, measured %d (%d layers again): %s%n",
        precision,
        3072 / length,
        length,
        targets,
        dropout,
        mode,
        peak.expected >> 20,
        peak.measured >> 20,
        peak.layers,
        output.lines().filter(line -> line.startsWith("process")).reduce((a, b) -> b).orElse(""));
    return peak;
  }

  @Test
  @Tag("slow")
  void theEstimateIsNearWhatIsMeasured(@TempDir Path folder) throws Exception {
    boolean linux = Files.isReadable(Path.of("/proc/self/status"));
    if (!linux) {
      System.out.println("MemoryEstimateTest skipped: no /proc/self/status to read memory from");
    }
    assumeTrue(linux, "no /proc/self/status to read memory from");
    Path model = new RandomLlama(LAYERS, 512, 1408, 8000).write(folder.resolve("model"));
    for (Precision precision : Precision.values()) {
      for (String targets : List.of("all", "q_proj,v_proj")) {
        for (int length : new int[] {128, 512}) {
          for (String mode : List.of("OFF", "ON")) {
            Peak peak = run(model, precision, length, targets, 0, mode, 0);
            assertEquals(mode.equals("OFF") ? 0 : LAYERS - 1, peak.layers);
            assertEquals(1, peak.ratio(), 0.2);
          }
        }
      }
    }
    assertEquals(1, run(model, Precision.BFLOAT16, 128, "all", 0.1, "OFF", 0).ratio(), 0.2);
    long most = run(model, Precision.BFLOAT16, 512, "all", 0, "OFF", 0).measured;
    long least = run(model, Precision.BFLOAT16, 512, "all", 0, "ON", 0).measured;
    long budget = (most + least) / 2;
    Peak within = run(model, Precision.BFLOAT16, 512, "all", 0, "AUTO", budget);
    assertTrue(within.layers > 0 && within.layers < LAYERS, within.layers + " layers");
    assertTrue(within.measured < 1.1 * budget, within.measured + " of " + budget);
  }

  /** Of weights' size whatever the batch, or beside the projections. */
  @ParameterizedTest
  @CsvSource({"LOHA:all", "LOKR:all", "BOTTLENECK:none"})
  @Tag("slow")
  void whatMethodsKeepIsNearWhatIsMeasured(String method, @TempDir Path folder) throws Exception {
    assumeTrue(Files.isReadable(Path.of("/proc/self/status")), "no /proc/self/status");
    Path model = new RandomLlama(LAYERS, 512, 1408, 8000).write(folder.resolve("model"));
    for (Precision precision : Precision.values()) {
      for (String mode : List.of("OFF", "ON")) {
        assertEquals(1, run(model, precision, 128, method, 0, mode, 0).ratio(), 0.2);
      }
    }
  }

  /** A matrix of a weight's size is made in every pass, however few tokens there are. */
  @Test
  void matricesAreKeptWhateverTheNumberOfTokens() throws IOException {
    long hidden = hidden();
    List<String> targets = List.of("query", "value");
    MethodConfig loha = MethodConfig.of("LOHA").with("target_modules", targets).with("r", 2);
    MethodConfig lokr = MethodConfig.of("LOKR").with("target_modules", targets).with("r", 2);
    LoraConfig lora = LoraConfig.builder().r(2).targetModules("query", "value").build();
    long matrix = Float.BYTES * hidden * hidden;
    for (int rows = 1; rows <= 3; rows++) {
      Layer ofLora = layer(lora, rows);
      Layer ofLokr = layer(lokr, rows);
      long inner = 2 * 2 * Float.BYTES * ofLora.tokens; // of LoRA: rank 2, twice
      assertEquals(ofLora.bytes - inner + 2 * matrix, ofLokr.bytes);
      assertEquals(ofLokr.bytes + 2 * 2 * matrix, layer(loha, rows).bytes);
    }
  }

  /** What a layer keeps of a batch. */
  private record Layer(long bytes, long tokens) {}

  private static Layer layer(AdapterConfig config, int rows) throws IOException {
    try (Model model = Model.load(BERT, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.add("a", config, 1).setTrainable(true);
      TokenSequence sequence = model.sequence(new int[] {5, 6, 7, 8}, null);
      try (TokenBatch batch = model.batch(Collections.nCopies(rows, sequence))) {
        return new Layer(model.estimate(batch, 0, 0).graphs().get(0), batch.computedTokens());
      }
    }
  }
}
