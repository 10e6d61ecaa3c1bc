package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.quant.bnb.BnbFormat;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** QLoRA adapters merged into their bases, dense and packed again, as a user does it. */
class QuantizedMergeTest {

  private static final Path DENSE =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal", "llama");
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> NF4 =
      List.of("--quantization", "nf4", "--double-quant", "--compute-dtype", "float32");

  @TempDir private Path temp;
  private Path packed;
  private Path adapter;
  private Path rows;

  private static PeftRun good(List<String> options, String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(options);
    return PeftRun.good(all.toArray(String[]::new));
  }

  /** A packed folder, an adapter trained on it, and texts. */
  @BeforeEach
  void train() throws IOException {
    packed = temp.resolve("packed");
    adapter = temp.resolve("adapter");
    good(NF4, "quantize", "--model", DENSE.toString(), "--output", packed.toString());
    rows = temp.resolve("rows.jsonl");
    Files.write(
        rows,
        List.of(
            "{\"text\": \"Rinse the probe before every run.\"}",
            "{\"text\": \"A calibration takes two minutes.\"}"));
    train(packed, adapter, "--learning-rate", "1e-2", "--max-steps", "20", "--r", "4");
  }

  private void train(Path base, Path output, String... more) {
    List<String> options = new ArrayList<>(List.of("--model", base.toString()));
    options.addAll(List.of("--data", rows.toString(), "--eval-split", "0"));
    options.addAll(List.of("--output", output.toString(), "--method", "qlora", "--no-bf16"));
    options.addAll(List.of("--compute-dtype", "float32"));
    options.addAll(List.of(more));
    good(options, "train", "--task", "causal-lm");
  }

  private PeftRun merge(Path base, Path output, String... more) {
    return good(
        List.of(more),
        "merge",
        "--model",
        base.toString(),
        "--adapter",
        adapter.toString(),
        "--output",
        output.toString());
  }

  private double nll(Path model, String... more) throws IOException {
    Path output = temp.resolve("scores.jsonl");
    good(
        List.of(more),
        "score",
        "--model",
        model.toString(),
        "--input",
        rows.toString(),
        "--output",
        output.toString());
    double sum = 0;
    for (String line : Files.readAllLines(output)) {
      sum += JSON.readTree(line).get("nll").asDouble();
    }
    return sum;
  }

  private static Set<String> names(Path folder) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return new TreeSet<>(checkpoint.names());
    }
  }

  @Test
  void madeDense() throws IOException {
    Path merged = temp.resolve("merged");
    PeftRun run = merge(packed, merged);
    assertTrue(run.out().contains("14 merged weights made dense: mean relative error"), run.out());
    assertFalse(Files.readString(merged.resolve("config.json")).contains("quantization_config"));
    assertEquals(names(DENSE), names(merged));
    double bare = nll(packed);
    double adapted = nll(packed, "--adapter", adapter.toString());
    assertTrue(adapted < 0.7 * bare, bare + " to " + adapted);
    assertEquals(adapted, nll(merged), 0.002 * adapted); // rounded to bfloat16
  }

  /** Another base is warned of (FingerprintTest), on standard error, and merged into. */
  @Test
  void intoTheDenseBase() throws IOException {
    assertEquals("nf4", AdapterFiles.readMetadata(adapter).get(AdaptedModel.BASE_FORMAT));
    PeftRun dense = merge(DENSE, temp.resolve("dense"), "--json");
    for (String line : dense.out().lines().toList()) {
      assertTrue(JSON.readTree(line).isObject(), line);
    }
    assertEquals(names(DENSE), names(temp.resolve("dense")));
    PeftRun scored =
        PeftRun.of(
            "score",
            "--model",
            DENSE.toString(),
            "--adapter",
            adapter.toString(),
            "--input",
            rows.toString(),
            "--output",
            temp.resolve("scored.jsonl").toString());
    assertEquals(2, scored.code());
    assertTrue(scored.err().contains("was trained on a base with SHA-256"), scored.err());
    Path onTheWay = temp.resolve("on-the-way");
    train(DENSE, onTheWay, "--max-steps", "1", "--quantization", "int8");
    assertEquals("int8", AdapterFiles.readMetadata(onTheWay).get(AdaptedModel.BASE_FORMAT));
  }

  @Test
  void packedAgain() throws IOException {
    Path merged = temp.resolve("merged");
    PeftRun run = merge(packed, merged, "--requantize", "--json");
    String[] lines = run.out().strip().split("\n");
    assertEquals(15, lines.length, run.out());
    JsonNode weight = JSON.readTree(lines[0]);
    assertEquals("model.layers.0.self_attn.q_proj.weight", weight.get("weight").asText());
    JsonNode summary = JSON.readTree(lines[14]);
    assertTrue(summary.get("requantized").asBoolean(), run.out());
    double error = summary.get("mean_relative").asDouble();
    assertTrue(error > 0.05 && error < 0.5, run.out());

    assertEquals(names(packed), names(merged));
    JsonNode before = JSON.readTree(packed.resolve("config.json").toFile());
    assertEquals(before, JSON.readTree(merged.resolve("config.json").toFile()));
    double bare = nll(packed);
    double adapted = nll(packed, "--adapter", adapter.toString());
    double requantized = nll(merged);
    assertTrue(requantized - adapted < 0.25 * (bare - adapted), bare + " " + requantized);
  }

  @Test
  void severalAdaptersArePackedOnce() throws IOException {
    Path other = temp.resolve("other");
    train(packed, other, "--learning-rate", "1e-2", "--max-steps", "5", "--r", "4", "--seed", "7");
    Path dense = temp.resolve("dense");
    merge(packed, dense, "--adapter", other.toString());
    Path once = temp.resolve("once");
    good(NF4, "quantize", "--model", dense.toString(), "--output", once.toString());
    Path merged = temp.resolve("merged");
    merge(packed, merged, "--adapter", other.toString(), "--requantize");
    // the dense folder is rounded to bfloat16 in between, which moves few weights to another level
    String codes = "model.layers.0.mlp.up_proj.weight";
    int differ = 0;
    try (Checkpoint expected = Checkpoint.open(once);
        Checkpoint found = Checkpoint.open(merged)) {
      ByteBuffer theirs = expected.bytes(codes);
      ByteBuffer ours = found.bytes(codes);
      assertEquals(theirs.remaining(), ours.remaining());
      for (int i = 0; i < ours.limit(); i++) {
        differ += theirs.get(i) == ours.get(i) ? 0 : 1;
      }
      assertTrue(differ < 0.02 * ours.limit(), differ + " of " + ours.limit());
    }
  }

  @Test
  void ofABaseThatWasQuantizedForTheTraining() throws IOException {
    Path fromPacked = temp.resolve("from-packed");
    Path fromDense = temp.resolve("from-dense");
    merge(packed, fromPacked, "--requantize");
    adapter = temp.resolve("adapter-of-dense");
    train(DENSE, adapter, "--learning-rate", "1e-2", "--max-steps", "20", "--r", "4");
    List<String> options = new ArrayList<>(NF4);
    options.add("--requantize");
    merge(DENSE, fromDense, options.toArray(String[]::new));
    assertArrayEquals(
        Files.readAllBytes(fromPacked.resolve(Checkpoint.SINGLE)),
        Files.readAllBytes(fromDense.resolve(Checkpoint.SINGLE)));
    JsonNode config = JSON.readTree(fromDense.resolve("config.json").toFile());
    assertEquals(
        JSON.readTree(fromPacked.resolve("config.json").toFile()).get("quantization_config"),
        config.get("quantization_config"));
  }

  @Test
  void whatNoAdapterChangesKeepsItsBytes() throws IOException {
    Path untouched = temp.resolve("untouched");
    train(
        packed,
        untouched,
        "--learning-rate",
        "0",
        "--max-steps",
        "1",
        "--target-modules",
        "q_proj");
    adapter = untouched;
    Path merged = temp.resolve("merged");
    merge(packed, merged, "--requantize");
    String key = "model.layers.0.mlp.up_proj.weight";
    try (Checkpoint old = Checkpoint.open(packed);
        Checkpoint now = Checkpoint.open(merged)) {
      for (String name : old.names()) {
        if (!name.contains("q_proj")) {
          assertEquals(old.bytes(name), now.bytes(name), name);
        }
      }
      assertTrue(BnbFormat.isQuantized(now, key));
    }
  }

  @Test
  void aDenseBaseIsNotPackedAgain() {
    Path merged = temp.resolve("merged");
    PeftRun run =
        PeftRun.of(
            "merge",
            "--model",
            DENSE.toString(),
            "--adapter",
            adapter.toString(),
            "--output",
            merged.toString(),
            "--requantize");
    assertEquals(2, run.code());
    assertTrue(run.err().contains("--requantize: expected a quantized base"), run.err());
    assertFalse(Files.exists(merged));
  }

  @ParameterizedTest
  @ValueSource(strings = {"--device=cpu", "--stream-layers", "--bf16"})
  void howToRunAModelIsNoQuestionOfMerging(String option) {
    for (List<String> command :
        List.of(
            List.of("merge", "--output", temp.resolve("merged").toString()),
            List.of("export", "--gguf", temp.resolve("adapter.gguf").toString()))) {
      List<String> all = new ArrayList<>(command);
      all.addAll(List.of("--model", packed.toString(), "--adapter", adapter.toString(), option));
      PeftRun run = PeftRun.of(all.toArray(String[]::new));
      assertEquals(2, run.code(), run.err());
      assertTrue(run.err().contains("Unknown option: '" + option + "'"), run.err());
      assertFalse(Files.exists(Path.of(command.get(2))));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--double-quant",
        "--no-double-quant",
        "--block-size=64",
        "--compute-dtype=float32",
        "--skip-modules=q_proj"
      })
  void howToQuantizeNeedsTheType(String option) {
    Path merged = temp.resolve("merged");
    PeftRun run =
        PeftRun.of(
            "merge",
            "--model",
            packed.toString(),
            "--adapter",
            adapter.toString(),
            "--output",
            merged.toString(),
            option);
    assertEquals(2, run.code());
    String name = option.replaceFirst("=.*", "");
    assertTrue(run.err().contains(name + " does nothing without --quantization"), run.err());
    assertFalse(Files.exists(merged));
  }
}
