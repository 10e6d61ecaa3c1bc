package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterKeys;
import io.peft4j.adapter.method.AdapterOrigin;
import io.peft4j.adapter.method.MethodConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.HostTensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** Folders of adapters as they are found: other names, starts, patterns and sizes than usual. */
class TrainedAdaptersTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Logger logger = (Logger) LoggerFactory.getLogger(AdapterOrigin.class);
  private final ListAppender<ILoggingEvent> log = new ListAppender<>();

  @TempDir Path folder;

  private Model model;
  private AdaptedModel adapted;

  @BeforeEach
  void open() throws IOException {
    model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
    adapted = new AdaptedModel(model);
    log.start();
    logger.addAppender(log);
  }

  @AfterEach
  void close() {
    logger.detachAppender(log);
    adapted.close();
    model.close();
  }

  private List<String> warnings() {
    return log.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
  }

  private float[][] logits() {
    try (TokenBatch batch = model.batch(List.of(model.sequence(new int[] {2, 25, 30, 3}, null)))) {
      return model.logits(batch);
    }
  }

  private void copy(Path from, UnaryOperator<String> names) throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(from.resolve(AdapterFiles.WEIGHTS))) {
      List<TensorSource> sources = new ArrayList<>();
      for (TensorInfo info : file.tensors().values()) {
        sources.add(
            TensorSource.of(
                names.apply(info.name()), info.dtype(), info.shape(), file.bytes(info.name())));
      }
      SafetensorsWriter.write(
          folder.resolve(AdapterFiles.WEIGHTS), sources, Map.of("format", "pt"));
    }
    Files.write(
        folder.resolve(AdapterFiles.CONFIG), Files.readAllBytes(from.resolve(AdapterFiles.CONFIG)));
  }

  private void change(String changes) throws IOException {
    Path file = folder.resolve(AdapterFiles.CONFIG);
    ObjectNode config = (ObjectNode) JSON.readTree(file.toFile());
    config.setAll((ObjectNode) JSON.readTree("{" + changes.replace('\'', '"') + "}"));
    JSON.writeValue(file.toFile(), config);
  }

  private String refused(Class<? extends Exception> type) {
    return assertThrows(type, () -> adapted.load("a", folder)).getMessage();
  }

  static Stream<String> live() {
    List<String> cases = new ArrayList<>();
    Golden.json("adapter_keys.json").get("names").fieldNames().forEachRemaining(cases::add);
    return cases.stream();
  }

  /** Python's live names, which DeepSpeed and FSDP save, are those of files once read. */
  @ParameterizedTest
  @MethodSource("live")
  void namesWithTheAdaptersName(String name) {
    JsonNode names = Golden.json("adapter_keys.json").get("names").get(name);
    List<TensorInfo> live = new ArrayList<>();
    Map<String, String> expected = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : names.properties()) {
      live.add(new TensorInfo(entry.getKey(), DType.F32, List.of(1L), 0, 4));
      expected.put(AdapterKeys.strip(entry.getValue().asText()), entry.getKey());
    }
    Map<String, String> found = new TreeMap<>();
    AdapterKeys.byKey(live).forEach((key, info) -> found.put(key, info.name()));
    assertEquals(expected, found);
  }

  @Test
  void loadsNamesWithTheAdaptersName() throws IOException {
    for (String name :
        List.of("lora/bert-seq-cls", "lora/bert-embeddings-dora", "lora/bert-dora")) {
      adapted.load("plain", Golden.path(name));
      float[][] expected = logits();
      adapted.delete("plain");
      copy(
          Golden.path(name),
          key ->
              key.replaceFirst("(\\.lora_[AB])\\.weight$", "$1.mine.weight")
                  .replaceFirst("(\\.lora_embedding_[AB])$", "$1.mine")
                  .replaceFirst("(\\.lora_magnitude_vector)$", "$1.mine.weight")
                  .replaceFirst("\\.classifier\\.", ".classifier.modules_to_save.mine."));
      adapted.load("named", folder);
      assertEquals(0, Golden.distance(expected, logits()), name);
      adapted.delete("named");
    }
    boolean[] first = {true};
    copy(
        Golden.path("lora/bert-plain"),
        key -> {
          String adapter = first[0] ? "one" : "two";
          first[0] = false;
          return key.replaceFirst("\\.weight$", "." + adapter + ".weight");
        });
    String message = refused(IllegalArgumentException.class);
    assertTrue(message.contains("tensors of several adapters, [one, two]"), message);
  }

  /** How it started means nothing once it is trained, and is kept. */
  @ParameterizedTest
  @ValueSource(strings = {"eva", "orthogonal", "mica", "lora_ga", "gaussian", "MiCA", "Gaussian"})
  void startsOfTrainedOnes(String init) throws IOException {
    adapted.load("plain", Golden.path("lora/bert-plain"));
    float[][] expected = logits();
    adapted.delete("plain");
    copy(Golden.path("lora/bert-plain"), key -> key);
    change("'init_lora_weights': '" + init + "', 'eva_config': {'rho': 2.0}");
    adapted.load("a", folder);
    assertEquals(0, Golden.distance(expected, logits()));
    Path again = folder.resolve("again");
    adapted.save("a", again, Map.of());
    JsonNode saved = JSON.readTree(again.resolve(AdapterFiles.CONFIG).toFile());
    assertTrue(init.equalsIgnoreCase(saved.get("init_lora_weights").asText()), saved.toString());
    assertEquals(2.0, saved.get("eva_config").get("rho").asDouble());
    LoraConfig config = (LoraConfig) adapted.adapter("a").config();
    if (config.init().onlyTrained()) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> adapted.add("new", config, 1))
              .getMessage();
      assertTrue(message.contains("is not how new adapters can start here"), message);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "corda, took from the base's weights what this folder does not hold",
    "loftq, put weights of its own 4 bits in place of the base's"
  })
  void startsThatChangedTheBase(String init, String why) throws IOException {
    copy(Golden.path("lora/bert-plain"), key -> key);
    change("'init_lora_weights': '" + init + "', 'loftq_config': {'loftq_bits': 4}");
    String message = refused(IllegalArgumentException.class);
    assertTrue(message.contains(why), message);
  }

  /** A new adapter with such a config is a slip of whoever made it, a trained one may have it. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'target_modules': ['query', 'value', 'valeu'] | target_modules: 'valeu' names nothing in"
            + " the model; near: attention.self.value",
        "'exclude_modules': ['qeury'] | exclude_modules: 'qeury' names nothing in the model; near:"
            + " attention.self.query",
        "'exclude_modules': '.*qeury' | exclude_modules: '.*qeury' names nothing in the model",
        "'alpha_pattern': {'qeury': 8} | alpha_pattern: 'qeury' matches no adapted module; near:"
            + " attention.self.query",
        "'rank_pattern': {'key': 2} | rank_pattern: 'key' matches no adapted module",
        "'layers_to_transform': [0, 1, 7] | layers_to_transform: no module to adapt is in layer 7;"
            + " there are [0, 1]",
        "'layers_to_transform': [0, 1], 'layers_pattern': ['layer', 'h'] | layers_pattern: 'h'"
            + " names nothing in the model",
        "'modules_to_save': ['classifer'], 'task_type': 'SEQ_CLS' | modules_to_save: 'classifer'"
            + " names nothing in the model; near: classifier",
        "'lora_alhpa': 16 | 'lora_alhpa' is no key of LORA and has no effect; near: lora_alpha"
      })
  void namesThatMeanNothing(String change, String message) throws IOException {
    copy(
        Golden.path(change.contains("task_type") ? "lora/bert-seq-cls" : "lora/bert-plain"),
        key -> key);
    change(change);
    adapted.load("a", folder);
    assertEquals(1, warnings().size(), warnings().toString());
    assertTrue(warnings().get(0).startsWith(folder + ": " + message), warnings().toString());
    AdapterConfig config = AdapterFiles.readConfig(folder);
    String refusal =
        assertThrows(IllegalArgumentException.class, () -> adapted.add("new", config, 1))
            .getMessage();
    assertTrue(refusal.startsWith(message), refusal);
  }

  @Test
  void usualNamesAreNoSlips() throws IOException {
    adapted.add("new", LoraConfig.builder().taskType("SEQ_CLS").build(), 1);
    adapted.add(
        "all",
        LoraConfig.builder()
            .targetModules(ModuleSelector.allLinear())
            .excludeModules(ModuleSelector.names("pooler"))
            .build(),
        1);
    copy(Golden.path("lora/bert-plain"), key -> key);
    change("'exclude_modules': '', 'layers_to_transform': [], 'alpha_pattern': {'query': 8}");
    adapted.load("trained", folder);
    assertEquals(List.of(), warnings());
  }

  static Stream<AdapterConfig> overlapping() {
    Map<String, Integer> ranks = new LinkedHashMap<>();
    ranks.put("value", 3);
    ranks.put("0.attention.self.value", 5); // sorted before, and never taken
    ranks.put("layer.1.attention.self.query", 2);
    ranks.put("(?P<it>query)", 7);
    Map<String, Double> alphas = new LinkedHashMap<>();
    alphas.put(".*\\.value", 4.0);
    alphas.put("(?:layer\\.0.*)", 64.0);
    return Stream.of(
        LoraConfig.builder().r(4).rankPattern(ranks).alphaPattern(alphas).build(),
        LoraConfig.builder()
            .r(4)
            .rankPattern(ranks)
            .alphaPattern(alphas)
            .taskType("FEATURE_EXTRACTION")
            .build(),
        MethodConfig.of("LOHA")
            .with("rank_pattern", ranks)
            .with("alpha_pattern", alphas)
            .with("target_modules", List.of("query", "value")),
        MethodConfig.of("LOKR")
            .with("rank_pattern", ranks)
            .with("alpha_pattern", alphas)
            .with("target_modules", List.of("query", "value")));
  }

  /** Files have their keys sorted, so that the first that matches could be another. */
  @ParameterizedTest
  @MethodSource("overlapping")
  void overlappingPatternsSurviveSaving(AdapterConfig config) throws IOException {
    Adapter adapter = adapted.add("a", config, 1);
    Random random = new Random(2);
    for (NDArray tensor : adapter.tensors().values()) {
      float[] values = new float[(int) tensor.size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      HostTensors.fill(tensor, values);
    }
    float[][] expected = logits();
    adapted.save("a", folder, Map.of());
    JsonNode saved = JSON.readTree(folder.resolve(AdapterFiles.CONFIG).toFile());
    List<String> keys = new ArrayList<>();
    saved.get("alpha_pattern").fieldNames().forEachRemaining(keys::add);
    String module = config.toJson().path("task_type").isTextual() ? "encoder" : "bert\\.encoder";
    assertEquals(module + "\\.layer\\.0\\.attention\\.self\\.query", keys.get(0));
    assertEquals(3, keys.size());
    adapted.delete("a");
    adapted.load("b", folder);
    assertEquals(0, Golden.distance(expected, logits()));
    assertEquals(List.of(), warnings().stream().filter(w -> w.contains("matches no")).toList());
  }

  @Test
  void patternsThatDoNotOverlapAreKept() throws IOException {
    Map<String, Integer> ranks = Map.of("value", 3, "layer.1.attention.self.query", 2);
    adapted.add("a", LoraConfig.builder().rankPattern(ranks).build(), 1);
    adapted.save("a", folder, Map.of());
    assertEquals(ranks, ((LoraConfig) AdapterFiles.readConfig(folder)).rankPattern());
  }

  static Stream<String> sized() {
    return Stream.of(
        "lora/bert-plain r",
        "lora/bert-dora r",
        "lora/bert-embeddings r",
        "methods/adalora-bert init_r",
        "methods/vera-bert r",
        "methods/loha-bert r",
        "methods/lokr-both-bert r",
        "methods/prompt-bert num_virtual_tokens",
        "methods/p-tuning-bert num_virtual_tokens",
        "methods/prefix-bert num_virtual_tokens");
  }

  /** Sizes are compared with the file before there is memory taken for them. */
  @ParameterizedTest
  @MethodSource("sized")
  void sizesThatTheFileDoesNotHave(String what) throws IOException {
    String[] parts = what.split(" ");
    copy(Golden.path(parts[0]), key -> key);
    for (String size : List.of("1000000", "100000000", "2147483647")) {
      change("'" + parts[1] + "': " + size + ", 'rank_pattern': {}, 'inference_mode': false");
      String message =
          assertTimeoutPreemptively(
              Duration.ofSeconds(5), () -> refused(IllegalArgumentException.class));
      assertTrue(message.contains(AdapterFiles.WEIGHTS + ": tensor '"), message);
      assertTrue(message.contains("expected shape [") && message.contains(", found "), message);
      assertTrue(message.contains(parts[1] + ": " + size), message);
    }
  }

  @Test
  void aNewAdapterOfASizeThatIsNone() {
    for (int r : new int[] {100_000_000, Integer.MAX_VALUE}) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> adapted.add("a", LoraConfig.builder().r(r).build(), 1))
              .getMessage();
      assertTrue(message.contains("more than Java may take"), message);
      assertTrue(message.contains("r: " + r), message);
    }
  }

  /** Python's re does not end on these. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "'target_modules': '*X'",
        "'exclude_modules': '*X'",
        "'rank_pattern': {'*X': 4}",
        "'alpha_pattern': {'*X': 4}",
        "'modules_to_save': ['*X']",
        "'layers_pattern': ['*X'], 'layers_to_transform': [1]"
      })
  void expressionsWithoutEnd(String change) throws IOException {
    copy(Golden.path("lora/bert-plain"), key -> key);
    change(change.replace("*", ".*".repeat(16)));
    String message =
        assertTimeoutPreemptively(
            Duration.ofSeconds(10), () -> refused(IllegalArgumentException.class));
    assertTrue(message.contains("takes more than 500000 steps"), message);
  }

  @Test
  void whatIsNotThereIsNamed() throws IOException {
    String message = refused(NoSuchFileException.class);
    assertTrue(message.contains("an adapter folder needs this file"), message);
    Path inner = Files.createDirectory(folder.resolve("mine"));
    Path own = folder;
    folder = inner;
    copy(Golden.path("lora/bert-plain"), key -> key);
    folder = own;
    message = refused(NoSuchFileException.class);
    assertTrue(message.contains("it has an adapter in " + inner), message);
    Path other = Files.createDirectory(folder.resolve("checkpoint-5"));
    Files.copy(inner.resolve(AdapterFiles.CONFIG), other.resolve(AdapterFiles.CONFIG));
    message = refused(NoSuchFileException.class);
    assertTrue(message.contains("adapters in checkpoint-5, mine, name one"), message);
    folder = other;
    Files.writeString(other.resolve("adapter_model.bin"), "PK");
    message = refused(IOException.class);
    assertTrue(message.contains("adapter_model.bin: is a pickle"), message);
    assertTrue(message.contains("save_file("), message);
    Path base = Files.createDirectory(own.resolve("base"));
    Files.writeString(base.resolve("config.json"), "{}");
    folder = base;
    message = refused(NoSuchFileException.class);
    assertTrue(message.contains("is a model, not an adapter"), message);
    folder = own;
  }
}
