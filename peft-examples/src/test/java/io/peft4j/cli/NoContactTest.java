package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Nothing is contacted that the user did not name, in a JVM that refuses all but loopback. */
class NoContactTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden").toAbsolutePath();
  private static final String ENCODER = GOLDEN.resolve("encoders/bert").toString();
  private static final String DECODER = GOLDEN.resolve("causal/llama").toString();

  /** Where DJL asks who it runs for. */
  private static final String METADATA = "contact 169.254.169.254";

  @TempDir private Path temp;

  @BeforeAll
  static void guarded() {
    boolean guarded = Runtime.version().feature() < 24;
    if (!guarded) {
      System.out.println("NoContactTest skipped: this JDK has no SecurityManager to see connects");
    }
    assumeTrue(guarded);
  }

  private String run(String what, String... options) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Djava.security.manager=allow");
    command.addAll(List.of(options));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(LoopbackOnly.class.getName(), what, ENCODER));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().remove("OPT_OUT_TRACKING");
    builder.environment().put("OMP_NUM_THREADS", "1");
    Process process = builder.start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), said);
    return said;
  }

  private static List<String> contacts(String said) {
    return said.lines().filter(line -> line.startsWith("contact ")).toList();
  }

  @ParameterizedTest
  @ValueSource(strings = {"tokenizer", "device", "threads"})
  void whateverComesFirst(String start) throws Exception {
    assertEquals(List.of(), contacts(run(start)));
  }

  /** Which also shows that the guard would see it. */
  @Test
  void theUserMayTurnTelemetryOn() throws Exception {
    assertEquals(List.of(METADATA), contacts(run("nothing of ours")));
    for (String start : List.of("tokenizer", "device")) {
      assertEquals(List.of(METADATA), contacts(run(start, "-DOPT_OUT_TRACKING=false")), start);
    }
  }

  @Test
  void everyCommand() throws Exception {
    Path texts = temp.resolve("texts.tsv");
    List<String> rows = new ArrayList<>(List.of("sentence\tlabel"));
    for (int i = 0; i < 12; i++) {
      // as many labels as the model's head has
      rows.add(List.of("the good film\tpos", "a bad movie\tneg", "a film\tfair").get(i % 3));
    }
    Files.write(texts, rows);
    Path prose = temp.resolve("prose.jsonl");
    Files.write(prose, List.of("{\"text\": \"Rinse it.\"}", "{\"text\": \"Start again.\"}"));
    Path input = temp.resolve("input.jsonl");
    Files.write(input, List.of("{\"text\": \"the good film\"}"));
    Path order = temp.resolve("ids.jsonl");
    Files.write(order, List.of("{\"input_ids\": [1, 5, 9, 12], \"prompt\": 1}"));
    List<String> commands =
        List.of(
            String.format(
                Locale.ROOT,
                "train\t--model\t%s\t--data\t%s\t--output\t%s\t--max-steps\t2",
                ENCODER,
                texts,
                at("seq")),
            String.format(
                Locale.ROOT,
                "predict\t--model\t%s\t--adapter\t%s\t--input\t%s\t--output\t%s",
                ENCODER,
                at("seq"),
                input,
                at("predicted.jsonl")),
            String.format(
                    Locale.ROOT,
                    "train\t--task\tcausal-lm\t--model\t%s\t--data\t%s\t--output\t%s\t--max-steps\t2",
                    DECODER,
                    prose,
                    at("lm"))
                + "\t--eval-split\t0\t--json",
            String.format(
                Locale.ROOT,
                "score\t--model\t%s\t--adapter\t%s\t--input\t%s\t--output\t%s",
                DECODER,
                at("lm"),
                prose,
                at("scored.jsonl")),
            String.format(
                Locale.ROOT,
                "generate\t--model\t%s\t--prompt\tRinse\t--max-new-tokens\t3",
                DECODER),
            String.format(
                Locale.ROOT,
                "serve\t--model\t%s\t--adapter\tlm=%s\t--port\t%d",
                DECODER,
                at("lm"),
                freePort()),
            String.format(
                Locale.ROOT,
                "merge\t--model\t%s\t--adapter\t%s\t--output\t%s",
                DECODER,
                at("lm"),
                at("merged")),
            String.format(
                Locale.ROOT,
                "quantize\t--model\t%s\t--output\t%s\t--quantization\tnf4",
                DECODER,
                at("nf4")),
            String.format(
                Locale.ROOT,
                "export\t--model\t%s\t--adapter\t%s\t--gguf\t%s",
                DECODER,
                at("lm"),
                at("a.gguf")),
            String.format(Locale.ROOT, "inspect\t--model\t%s\t--targets", DECODER),
            "doctor",
            "completion\tbash",
            String.format(
                Locale.ROOT,
                "bench\t--model\t%s\t--train\t%s\t--test\t%s\t--rows\t8\t--batch\t4",
                ENCODER,
                texts,
                texts),
            String.format(
                Locale.ROOT,
                "bench-causal\t--model\t%s\t--examples\t%s\t--batch\t1\t--steps\t1\t--warmup\t1",
                DECODER,
                order),
            String.format(
                Locale.ROOT,
                "bench-serve\t--model\t%s\t--streams\t2\t--rank\t2\t--rounds\t1"
                    + "\t--prompt\t4\t--new-tokens\t4",
                DECODER));
    Path file = temp.resolve("commands");
    Files.write(file, commands);
    String said = run(file.toString());
    assertEquals(List.of(), contacts(said), said);
    for (String command : commands) {
      assertTrue(said.contains("exit 0 of " + command), said);
    }
    assertEquals(
        List.of(), untested(commands), "every command that needs no download is among them");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  private String at(String name) {
    return temp.resolve(name).toString();
  }

  /** The practice projects train on the same classes for minutes; import reads one file. */
  private static List<String> untested(List<String> commands) {
    Stream<String> others = Stream.of("import", "sentiment", "chat", "code", "multitask", "help");
    List<String> left = new ArrayList<>(Peft.commandLine().getSubcommands().keySet());
    commands.forEach(line -> left.remove(line.split("\t")[0]));
    others.forEach(left::remove);
    return left;
  }
}
