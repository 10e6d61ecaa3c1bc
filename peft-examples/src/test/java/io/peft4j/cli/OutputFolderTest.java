package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A result is replaced on demand only, and kept until the new one is whole. */
class OutputFolderTest {

  private static final Path MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "encoders", "bert");

  @TempDir private Path temp;
  private Path data;
  private Path out;

  @BeforeEach
  void writeData() throws IOException {
    data = temp.resolve("data.tsv");
    List<String> rows = new ArrayList<>(List.of("sentence\tlabel"));
    for (int i = 0; i < 24; i++) {
      rows.add(i % 2 == 0 ? "the good film " + i + "\tpos" : "a bad movie " + i + "\tneg");
    }
    Files.write(data, rows);
    out = temp.resolve("out");
  }

  private PeftRun train(String... more) {
    List<String> arguments =
        new ArrayList<>(List.of("train", "--new-head", "--model", MODEL.toString()));
    arguments.addAll(List.of("--data", data.toString(), "--output", out.toString()));
    arguments.addAll(List.of(more));
    return PeftRun.of(arguments.toArray(String[]::new));
  }

  private static void good(PeftRun run) {
    assertEquals(0, run.code(), run.err());
  }

  private static void refused(PeftRun run, String said) {
    assertEquals(2, run.code(), run.err());
    assertTrue(run.err().contains(said), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
  }

  private byte[] adapter() throws IOException {
    return Files.readAllBytes(out.resolve("adapter_model.safetensors"));
  }

  private List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aResultIsReplacedOnDemandOnly() throws IOException {
    good(train("--max-steps", "3", "--save-strategy", "steps", "--save-steps", "2"));
    Files.writeString(out.resolve("notes.txt"), "mine");
    byte[] first = adapter();
    refused(train("--max-steps", "2"), "holds a result already (adapter_config.json and more)");
    assertArrayEquals(first, adapter());

    good(train("--max-steps", "2", "--rank", "2", "--overwrite"));
    assertFalse(Arrays.equals(first, adapter()));
    assertEquals(
        List.of(
            "adapter_config.json",
            "adapter_model.safetensors",
            "config.json",
            "metrics.jsonl",
            "notes.txt",
            "tensorboard",
            "tokenizer.json",
            "tokenizer_config.json"),
        names(out)); // the old run's checkpoints are gone with it
    assertEquals(1, names(out.resolve("tensorboard")).size());
    List<String> metrics = Files.readAllLines(out.resolve("metrics.jsonl"));
    int last = new ObjectMapper().readTree(metrics.get(metrics.size() - 1)).get("step").asInt();
    assertEquals(2, last);
  }

  @Test
  void aRunThatFailsLeavesTheOldResult() throws IOException {
    good(train("--max-steps", "2"));
    byte[] first = adapter();
    PeftRun failed = train("--max-steps", "9", "--overwrite", "--learning-rate", "1e38");
    assertFalse(failed.code() == 0, failed.out());
    assertArrayEquals(first, adapter());
    assertTrue(names(out).contains(OutputFolder.PARTIAL));
    good(train("--max-steps", "1", "--overwrite"));
    assertFalse(names(out).contains(OutputFolder.PARTIAL));
  }

  @Test
  void aRunThatReplacesCanBeResumed() throws IOException {
    good(train("--max-steps", "2"));
    String[] steps = {"--max-steps", "4", "--save-strategy", "steps", "--save-steps", "2"};
    good(train(with(steps, "--overwrite")));
    byte[] whole = adapter();
    // as if it had been killed after its first checkpoint
    Path partial = Files.createDirectory(out.resolve(OutputFolder.PARTIAL));
    Files.move(out.resolve("checkpoint-2"), partial.resolve("checkpoint-2"));
    Path late = out.resolve("checkpoint-4");
    try (Stream<Path> files = Files.walk(late)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    }
    refused(train(with(steps, "--resume")), "add --overwrite to go on with it");
    PeftRun resumed = train(with(steps, "--overwrite", "--resume", "--json"));
    good(resumed);
    assertTrue(resumed.out().contains("\"event\":\"resume\""), resumed.out());
    assertTrue(resumed.out().contains("checkpoint-2\",\"step\":2,\"epoch\":0.66"), resumed.out());
    assertArrayEquals(whole, adapter());
  }

  private static String[] with(String[] some, String... more) {
    return Stream.concat(Stream.of(some), Stream.of(more)).toArray(String[]::new);
  }

  @Test
  void resumeWithNothingToGoOnFrom() throws IOException {
    good(train("--max-steps", "2", "--resume")); // an empty folder: the run's first start
    refused(train("--max-steps", "2", "--resume"), "holds a result, but no checkpoint");
  }

  @Test
  void aChangeThatWasCutOffIsCompleted() throws IOException {
    Files.createDirectories(out.resolve(OutputFolder.REPLACED));
    Path partial = Files.createDirectories(out.resolve(OutputFolder.PARTIAL));
    Files.writeString(out.resolve("adapter_model.safetensors"), "old");
    Files.writeString(out.resolve(OutputFolder.REPLACED).resolve("adapter_config.json"), "old");
    for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
      Files.writeString(partial.resolve(name), "new");
    }
    assertThrows(IllegalArgumentException.class, () -> OutputFolder.open(out, false));
    assertEquals(List.of("adapter_config.json", "adapter_model.safetensors"), names(out));
    assertEquals("new", Files.readString(out.resolve("adapter_config.json")));
    assertEquals("new", Files.readString(out.resolve("adapter_model.safetensors")));
  }

  /** From its start, before anything is read, to its end, when all is in place. */
  @Test
  void aFolderIsOneRunsOnly() throws Exception {
    good(train("--max-steps", "1"));
    String adapter = out.toString();
    String taken = temp.resolve("taken").toString();
    FutureTask<OutputFolder> other =
        new FutureTask<>(() -> OutputFolder.open(Path.of(taken), false));
    new Thread(other).start();
    try (OutputFolder held = other.get()) {
      assertTrue(Files.isDirectory(held.path()));
      String model = MODEL.toString();
      for (String[] command :
          new String[][] {
            {"train", "--model", model, "--data", data.toString(), "--new-head"},
            {"merge", "--model", model, "--adapter", adapter},
            {"quantize", "--model", model, "--quantization", "nf4"},
          }) {
        for (String[] more : new String[][] {{}, {"--overwrite"}}) {
          PeftRun run = PeftRun.of(with(command, with(more, "--output", taken)));
          assertFalse(run.code() == 0, run.out());
          assertTrue(run.err().contains("another run is writing to it"), run.err());
        }
      }
    }
    assertFalse(Files.exists(Path.of(taken)), "made for nothing, it goes");
    good(PeftRun.of("merge", "--model", MODEL.toString(), "--adapter", adapter, "--output", taken));
  }

  @Test
  void whatTheResultIsMadeFromIsNeverReplaced() throws IOException {
    String[] merge = {"merge", "--model", MODEL.toString(), "--adapter", out.toString()};
    good(train("--max-steps", "1"));
    refused(
        PeftRun.of(with(merge, "--output", out.toString(), "--overwrite")),
        "is what the result is made from");
    refused(
        PeftRun.of(with(merge, "--output", MODEL.toString(), "--overwrite")),
        "is what the result is made from");
    String merged = temp.resolve("merged").toString();
    good(PeftRun.of(with(merge, "--output", merged)));
    refused(PeftRun.of(with(merge, "--output", merged)), "holds a result already");
    good(PeftRun.of(with(merge, "--output", merged, "--overwrite")));
    List<String> found = names(Path.of(merged));
    assertTrue(found.contains("model.safetensors"), found.toString());
    assertFalse(found.contains(OutputFolder.PARTIAL), found.toString());

    String[] quantize = {"quantize", "--model", merged, "--quantization", "nf4"};
    String packed = temp.resolve("packed").toString();
    refused(
        PeftRun.of(with(quantize, "--output", packed, "--skip-modules", "nonsense")),
        "has no module 'nonsense'");
    good(PeftRun.of(with(quantize, "--output", packed, "--skip-modules", "query")));
    refused(PeftRun.of(with(quantize, "--output", packed)), "holds a result already");
    good(PeftRun.of(with(quantize, "--output", packed, "--overwrite")));
    refused(
        PeftRun.of(
            "predict",
            "--model",
            packed,
            "--input=x",
            "--output=y",
            "--quantization=nf4",
            "--block-size=128"),
        "stored quantized");
  }
}
