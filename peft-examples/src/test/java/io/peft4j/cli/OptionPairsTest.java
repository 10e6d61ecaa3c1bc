package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Splits;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.model.CausalLm;
import io.peft4j.model.HeadIdentity;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.CausalSet;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/**
 * Every option of {@code peft train} with every method and task: one that is accepted changes what
 * is trained or how, one that would not is refused by name.
 */
class OptionPairsTest {

  private static final Path MODEL =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "encoders", "bert");

  private static final List<String> METHODS =
      List.of(
          "lora",
          "qlora",
          "ia3",
          "vera",
          "loha",
          "lokr",
          "adalora",
          "prefix-tuning",
          "prompt-tuning",
          "p-tuning",
          "ln-tuning",
          "bitfit",
          "bottleneck",
          "pfeiffer",
          "houlsby",
          "parallel",
          "scaled-parallel",
          "gated-lora",
          "gated-prefix",
          "mam",
          "unipelt",
          "full",
          "prefix-tuning,lora");

  /** What an option is given, other than its default; flags are given nothing. */
  private static final Map<String, String> VALUES =
      Map.ofEntries(
          Map.entry("--bf16", "true"),
          Map.entry("--double-quant", "true"),
          Map.entry("--quantization", "fp4"),
          Map.entry("--block-size", "128"),
          Map.entry("--compute-dtype", "float32"),
          Map.entry("--skip-modules", "query"),
          Map.entry("--eval-data", "b.tsv"),
          Map.entry("--eval-split", "0.5"),
          Map.entry("--problem-type", "multi_label_classification"),
          Map.entry("--labels", "b,a"),
          Map.entry("--text-column", "words"),
          Map.entry("--text-pair-column", "more"),
          Map.entry("--label-column", "class"),
          Map.entry("--encoding", "ISO-8859-1"),
          Map.entry("--max-length", "7"),
          Map.entry("--num-virtual-tokens", "7"),
          Map.entry("--reduction-factor", "4"),
          Map.entry("--rank", "3"),
          Map.entry("--lora-alpha", "5"),
          Map.entry("--lora-dropout", "0.25"),
          Map.entry("--target-modules", "key"),
          Map.entry("--target-regex", ".*key"),
          Map.entry("--exclude-modules", "value"),
          Map.entry("--modules-to-save", "pooler"),
          Map.entry("--bias", "all"),
          Map.entry("--layers-to-transform", "0"),
          Map.entry("--layers-pattern", "layer"),
          Map.entry("--rank-pattern", "query=2"),
          Map.entry("--alpha-pattern", "query=2"),
          Map.entry("--init-lora-weights", "gaussian"),
          Map.entry("--num-train-epochs", "2"),
          Map.entry("--max-steps", "7"),
          Map.entry("--per-device-train-batch-size", "2"),
          Map.entry("--per-device-eval-batch-size", "2"),
          Map.entry("--gradient-accumulation-steps", "2"),
          Map.entry("--learning-rate", "0.1"),
          Map.entry("--optim", "paged_adamw_32bit"),
          Map.entry("--optim-args", "shrink=0.5"),
          Map.entry("--weight-decay", "0.1"),
          Map.entry("--loraplus-lr-ratio", "4"),
          Map.entry("--loraplus-lr-embedding", "0.1"),
          Map.entry("--adam-beta1", "0.5"),
          Map.entry("--adam-beta2", "0.5"),
          Map.entry("--adam-epsilon", "0.1"),
          Map.entry("--max-grad-norm", "3"),
          Map.entry("--lr-scheduler-type", "cosine"),
          Map.entry("--warmup-ratio", "0.5"),
          Map.entry("--warmup-steps", "3"),
          Map.entry("--seed", "7"),
          Map.entry("--workers", "1"),
          Map.entry("--gradient-checkpointing", "on"),
          Map.entry("--memory-budget", "1GB"),
          Map.entry("--eval-strategy", "no"),
          Map.entry("--eval-steps", "3"),
          Map.entry("--save-strategy", "epoch"),
          Map.entry("--save-steps", "3"),
          Map.entry("--save-total-limit", "3"),
          Map.entry("--metric-for-best-model", "accuracy"),
          Map.entry("--early-stopping-patience", "3"),
          Map.entry("--non-finite", "skip"));

  /** What says where things are, or how they are shown, and so does something in every run. */
  private static final Set<String> EVERYWHERE =
      Set.of(
          "--model",
          "--data",
          "--output",
          "--task",
          "--method",
          "--method-config",
          "--config",
          "--json",
          "--resume",
          "--overwrite",
          "--device",
          "--stream-layers",
          "--help",
          "--version");

  /** Modules that make a mix of one a mix of two, or a base packed: other tests have them. */
  private static final Set<String> NOT_ON_A_TINY_BERT = Set.of("qlora");

  private static final Path LLAMA = MODEL.resolve(Path.of("..", "..", "causal", "llama"));

  private static Path data;
  private static CausalLm llama;
  private static CausalTokenizer tokenizer;

  static Stream<String> options() {
    return spec().options().stream()
        .map(OptionPairsTest::name)
        .filter(n -> !EVERYWHERE.contains(n));
  }

  /** Parsed again and again: making it takes longer than anything else here. */
  private static final CommandLine PEFT = Peft.commandLine();

  private static final CommandLine TRAIN = PEFT.getSubcommands().get("train");

  private static CommandSpec spec() {
    return TRAIN.getCommandSpec();
  }

  /** The one of an option's names that has no underscore, and is not a short one. */
  private static String name(OptionSpec option) {
    return Stream.of(option.names())
        .filter(name -> !name.contains("_") && name.length() > 3 && !name.equals("--batch-size"))
        .filter(name -> !name.startsWith("--bnb") && !name.startsWith("--llm"))
        .findFirst()
        .orElseThrow();
  }

  /** All that a command line comes to. */
  private static Set<String> resolved(List<String> arguments, String task) throws IOException {
    PEFT.parseArgs(arguments.toArray(String[]::new));
    Applicability.check(TRAIN, option -> false);
    Map<String, CommandSpec> mixins = spec().mixins();
    MethodOptions method = (MethodOptions) mixins.get("method").userObject();
    ModelOptions model = (ModelOptions) mixins.get("model").userObject();
    TrainingOptions training = (TrainingOptions) mixins.get("training").userObject();
    DataOptions data = (DataOptions) mixins.get("data").userObject();
    LoadOptions load = model.loadOptions(method.qlora());
    Set<String> all = new TreeSet<>();
    method
        .configs(task.equals("seq-cls") ? "SEQ_CLS" : "CAUSAL_LM", "m")
        .forEach((name, config) -> all.add(name + config.toJson()));
    all.add(training.arguments(data.holdsOut()).toString());
    all.add(String.valueOf(load.precision()));
    QuantizationOptions quantization =
        (QuantizationOptions) mixins.get("model").mixins().get("quantization").userObject();
    all.add(quantization.config(method.qlora()) + " but " + quantization.skip());
    if (task.equals("seq-cls")) {
      TextDataset texts = data.texts(HeadIdentity.read(MODEL));
      all.add(texts(data.split(texts, 1)) + data.headFor(texts, load).head());
    } else {
      all.add(tokens(data));
    }
    all.add("" + data.maxLength());
    return all;
  }

  private static String texts(Splits.Split split) {
    return split.train().examples()
        + ", "
        + split.train().labelNames()
        + ", held out "
        + (split.heldOut() == null ? "nothing" : split.heldOut().examples());
  }

  private static String tokens(DataOptions data) throws IOException {
    CausalSet.Split split = data.causal(tokenizer, llama.model(), 1);
    return split.train().fingerprint()
        + ", held out "
        + (split.heldOut() == null ? "nothing" : split.heldOut().size());
  }

  @BeforeAll
  static void write(@TempDir Path folder) throws IOException {
    data = folder;
    String row = "a caf\u00e9\tcaf\u00e9 %d\ttwo\t%s\t%s\n";
    StringBuilder table = new StringBuilder("sentence\twords\tmore\tlabel\tclass\n");
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 12; i++) {
      table.append(
          String.format(Locale.ROOT, row, i, i % 2 == 0 ? "a" : "b", i % 3 == 0 ? "a" : "b"));
      lines.append(
          String.format(Locale.ROOT, "{\"text\": \"caf\u00e9 and a longer text %d\"}\n", i));
    }
    for (String name : List.of("a", "b")) {
      Files.writeString(folder.resolve(name + ".tsv"), table);
      Files.writeString(folder.resolve(name + ".jsonl"), lines);
    }
    llama = CausalLm.load(LLAMA, LoadOptions.DEFAULT);
    tokenizer = CausalTokenizer.of(LLAMA, llama.model());
  }

  @AfterAll
  static void close() {
    tokenizer.close();
    llama.close();
  }

  private static List<String> arguments(String method, String task, List<String> more) {
    List<String> all = new ArrayList<>(List.of("train", "--model=m", "--output=o"));
    String extension = task.equals("seq-cls") ? ".tsv" : ".jsonl";
    all.add("--data=" + data.resolve("a" + extension));
    all.addAll(List.of("--method=" + method, "--task=" + task));
    for (String each : more) {
      all.add(
          each.startsWith("--eval-data") ? "--eval-data=" + data.resolve("b" + extension) : each);
    }
    return all;
  }

  /** QLoRA is in bfloat16 and quantizes twice by default. */
  private static String given(String option, String method) {
    boolean byDefault = method.equals("qlora") && option.matches("--(bf16|double-quant)");
    return byDefault ? option.replaceFirst("--", "--no-") : given(option);
  }

  private static String given(String option) {
    String value = VALUES.getOrDefault(option, "");
    boolean flag = spec().findOption(option).type() == boolean.class;
    assertTrue(flag || VALUES.containsKey(option), option + " has no value in this test");
    return value.isEmpty() ? option : option + "=" + value;
  }

  /** What else has to be given, so that the option does something. */
  private static List<String> companions(String option) {
    List<String> companions = new ArrayList<>();
    Field field = (Field) spec().findOption(option).userObject();
    AppliesTo rule = field.getAnnotation(AppliesTo.class);
    if (option.equals("--optim-args")) {
      companions.add("--optim=" + ShrinkingSgd.NAME); // none of the library's has any
    }
    if (rule != null) {
      for (String need : rule.needs()) {
        boolean ofThePair = need.startsWith("--method") || need.startsWith("--task");
        boolean byDefault = need.equals("--eval-data") || need.equals("--eval-split");
        if (!ofThePair && !byDefault) {
          companions.addAll(companions(need.replaceFirst("=.*", "")));
          companions.add(need.contains("=") ? need.replaceFirst("\\|.*", "") : given(need));
          break;
        }
      }
    }
    return companions;
  }

  @ParameterizedTest
  @MethodSource("options")
  void acceptedMeansThatItDoesSomething(String option) throws IOException {
    Set<String> outcomes = new HashSet<>();
    for (String method : METHODS) {
      for (String task : List.of("seq-cls", "causal-lm")) {
        List<String> with = new ArrayList<>(companions(option));
        Set<String> changed = null;
        Set<String> before = null;
        String said = null;
        try {
          before = resolved(arguments(method, task, with), task);
        } catch (ParameterException | IllegalArgumentException e) {
          said = e.getMessage(); // a companion is refused, so the option is as well
        }
        with.add(given(option, method));
        try {
          changed = resolved(arguments(method, task, with), task);
        } catch (ParameterException | IllegalArgumentException e) {
          said = e.getMessage();
        }
        String pair = option + " with " + method + " and " + task;
        if (changed == null && said.startsWith("layers_to_transform")) {
          assertEquals(
              "qlora", method, pair + ": " + said); // all-linear and layers exclude each other
        } else if (changed == null) {
          assertTrue(said.startsWith("--") && said.contains(" does nothing "), pair + ": " + said);
          String refused = name(spec().findOption(said.substring(0, said.indexOf(' '))));
          assertTrue(
              with.stream().anyMatch(each -> each.replaceFirst("=.*", "").equals(refused)),
              pair + ": " + said);
        } else {
          assertNotNull(before, pair + ": " + said);
          assertNotEquals(before, changed, pair);
        }
        outcomes.add(changed == null ? "refused" : "accepted");
      }
    }
    assertTrue(outcomes.contains("accepted"), option + " is refused everywhere");
  }

  /** What a method accepts, the model can be given: nothing is accepted that fails later. */
  @Test
  void whatAMethodAcceptsCanBeBuilt() throws IOException {
    List<String> built = new ArrayList<>();
    try (Model base =
        Model.load(
            MODEL,
            LoadOptions.DEFAULT.withNewHead(Task.SINGLE_LABEL, LabelNames.of(List.of("a", "b"))))) {
      for (OptionSpec option : spec().options()) {
        if (!(option.userObject() instanceof Field field)
            || !field.isAnnotationPresent(MethodKey.class)) {
          continue;
        }
        for (String method : METHODS) {
          if (!NOT_ON_A_TINY_BERT.contains(method)) {
            List<String> more = new ArrayList<>(companions(name(option)));
            String given = given(name(option));
            more.add(method.equals("ln-tuning") ? given.replace("key", "LayerNorm") : given);
            build(base, arguments(method, "seq-cls", more), built);
          }
        }
      }
    }
    assertTrue(built.size() > 80, built.size() + " of them");
  }

  private static void build(Model base, List<String> arguments, List<String> built)
      throws IOException {
    PEFT.parseArgs(arguments.toArray(String[]::new));
    MethodOptions method = (MethodOptions) spec().mixins().get("method").userObject();
    Map<String, AdapterConfig> configs;
    try {
      configs = method.configs("SEQ_CLS", "m");
    } catch (IllegalArgumentException refused) {
      assertTrue(refused.getMessage().contains(" does nothing "), refused.getMessage());
      return;
    }
    try (AdaptedModel adapted = new AdaptedModel(base)) {
      AdapterMix mix = AdapterMix.add(adapted, configs, 1);
      assertEquals(configs.size(), mix.adapters().size());
      built.add(String.join(" ", arguments));
    } catch (IllegalArgumentException e) {
      throw new AssertionError(arguments + ": " + e.getMessage(), e);
    }
  }
}
