package io.peft4j.model.load;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.module.Activation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;

/** A checkpoint's {@code config.json}. Immutable: changes give a new one. */
public final class ModelConfig {

  public static final String FILE = "config.json";
  public static final String TIE_WORD_EMBEDDINGS = "tie_word_embeddings";

  /** No dimension of a model is greater. What is made of a few of them still is an int. */
  private static final int MOST = 1 << 28;

  private static final int MOST_LAYERS = 100_000;

  /** How many outputs a head may have. */
  public static final int MOST_LABELS = 1_000_000;

  /** How many labels a config has that says nothing of them, as in transformers. */
  public static final int DEFAULT_LABELS = 2;

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final Path file;
  private final ObjectNode json;
  private final ObjectNode defaults;
  private final Map<String, String> aliases;

  private ModelConfig(
      Path file, ObjectNode json, ObjectNode defaults, Map<String, String> aliases) {
    this.file = file;
    this.json = json;
    this.defaults = defaults;
    this.aliases = aliases;
  }

  private static ModelConfig plain(Path file, ObjectNode json) {
    return new ModelConfig(file, json, JSON.createObjectNode(), Map.of());
  }

  /**
   * Reads {@code config.json} in {@code folder}. What it does not say is missing; see {@link
   * io.peft4j.model.family.Families#config}.
   *
   * @throws IOException if it cannot be read
   * @throws IllegalArgumentException if it is not a JSON object with a {@code model_type}
   */
  public static ModelConfig read(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    JsonNode json;
    try {
      json = JsonFiles.read(file);
    } catch (NoSuchFileException e) {
      throw new NoSuchFileException(
          file.toString(), null, "a model folder needs a config.json; found none");
    }
    if (!(json instanceof ObjectNode object)) {
      throw new IllegalArgumentException(file + ": expected a JSON object");
    }
    ModelConfig config = plain(file, object);
    config.text("model_type");
    return config;
  }

  /**
   * {@return this config, for a family}
   *
   * @param values what it has where the file says nothing; that a key is null there is said
   * @param words of other families that the file may have for this one's, by the latter; they win
   */
  public ModelConfig over(ObjectNode values, Map<String, String> words) {
    return new ModelConfig(file, json, values.deepCopy(), Map.copyOf(words));
  }

  /** {@return a copy of the whole document} */
  public ObjectNode json() {
    return json.deepCopy();
  }

  /** {@return this config with {@code changes} laid over it} */
  public ModelConfig with(ObjectNode changes) {
    ObjectNode merged = json.deepCopy();
    merged.setAll(changes);
    return new ModelConfig(file, merged, defaults, aliases);
  }

  /** {@return this config without {@code key}} */
  public ModelConfig without(String key) {
    ObjectNode rest = json.deepCopy();
    rest.remove(key);
    return new ModelConfig(file, rest, defaults, aliases);
  }

  /** Writes this as {@code config.json} in {@code folder}, whole or not at all. */
  public void write(Path folder) throws IOException {
    AtomicFiles.write(folder.resolve(FILE), content());
  }

  /** {@return the file, for one that writes it together with others} */
  public AtomicFiles.Content content() {
    return temporary ->
        Files.writeString(
            temporary, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n");
  }

  public String modelType() {
    return text("model_type");
  }

  /** {@return how many token numbers the model knows} */
  public int vocabularySize() {
    return integer("vocab_size");
  }

  /** {@return whether a language model's head is its embedding, as far as the config says} */
  public boolean tiesHead() {
    return flag(TIE_WORD_EMBEDDINGS, false);
  }

  /**
   * {@return the names of a classifier's outputs}: those of {@code id2label}, else LABEL_0 and so
   * on
   */
  public LabelNames labels() {
    LabelNames declared = declaredLabels();
    return declared != null ? declared : LabelNames.generic(DEFAULT_LABELS);
  }

  /** {@return whether it names a classifier's outputs, or says how many there are} */
  public boolean saysLabels() {
    return declaredLabels() != null;
  }

  /**
   * {@return the names that are said, or LABEL_0 and so on where only their number is; null where
   * nothing is} Those of {@code label2id} are taken where {@code id2label} has none.
   */
  public LabelNames declaredLabels() {
    LabelNames names = id2label();
    if (names == null || names.isGeneric()) {
      LabelNames others = label2id(names == null);
      names = others != null && (names == null || others.size() == names.size()) ? others : names;
    }
    if (absent("num_labels")) {
      return names;
    }
    int count = within("num_labels", MOST_LABELS);
    if (names != null && names.size() != count) {
      throw wrong(
          String.format(
              Locale.ROOT,
              "num_labels is %d, and there are %d names %s",
              count,
              names.size(),
              names));
    }
    return names != null ? names : LabelNames.generic(count);
  }

  private LabelNames id2label() {
    if (absent("id2label")) {
      return null;
    }
    Map<Integer, String> names = new HashMap<>();
    for (Map.Entry<String, JsonNode> entry : section("id2label").json.properties()) {
      if (!entry.getKey().matches("\\d{1,9}")) {
        throw new IllegalArgumentException(
            file + ": 'id2label': expected numbers as keys, found '" + entry.getKey() + "'");
      }
      names.put(Integer.valueOf(entry.getKey()), entry.getValue().asText());
    }
    if (names.isEmpty()) {
      throw wrong("'id2label': expected a name for each label, found none");
    }
    return naming("id2label", () -> LabelNames.ofId2label(names));
  }

  /**
   * @param alone whether nothing else names the labels, so that this has to be right
   */
  private LabelNames label2id(boolean alone) {
    if (absent("label2id")) {
      return null;
    }
    Map<Integer, String> names = new HashMap<>();
    for (Map.Entry<String, JsonNode> entry : section("label2id").json.properties()) {
      names.put(entry.getValue().asInt(-1), entry.getKey());
    }
    if (names.isEmpty()) {
      return null;
    }
    try {
      return naming("label2id", () -> LabelNames.ofId2label(names));
    } catch (IllegalArgumentException e) {
      if (alone) {
        throw e;
      }
      return null;
    }
  }

  /** {@return whether {@code label2id} has names, and others than {@code id2label}} */
  public boolean namesContradict() {
    LabelNames byId = id2label();
    LabelNames byName = label2id(false);
    return byId != null
        && byName != null
        && !byId.isGeneric()
        && !byName.isGeneric()
        && !byId.equals(byName);
  }

  /** {@return what a classifier's outputs mean}: {@code problem_type}, else by their number */
  public Task task() {
    LabelNames labels = labels();
    Task declared = declaredTask(labels);
    return declared != null ? declared : labels.size() == 1 ? Task.REGRESSION : Task.SINGLE_LABEL;
  }

  /** {@return what {@code problem_type} says; null for nothing} */
  public Task declaredTask() {
    return declaredTask(labels());
  }

  /** {@return what {@code problem_type} says of a head with {@code labels}; null for nothing} */
  public Task declaredTask(LabelNames labels) {
    String problem = text("problem_type", null);
    if (problem == null) {
      return null;
    }
    Task task = naming("problem_type", () -> Task.ofProblemType(problem));
    if (task == Task.SINGLE_LABEL && labels.size() == 1) {
      throw wrong(
          "problem_type single_label_classification needs more than one label, found " + labels);
    }
    return task;
  }

  /** {@return the key that says what {@code key} does: itself, or another family's word for it} */
  public String said(String key) {
    String alias = aliases.get(key);
    return alias != null && json.has(alias) ? alias : key;
  }

  /** {@return what the config says under {@code key}, else what its family has; or null} */
  private JsonNode get(String key) {
    JsonNode node = json.get(said(key));
    return node != null ? node : defaults.get(key);
  }

  private JsonNode required(String key) {
    JsonNode node = get(key);
    if (node == null || node.isNull()) {
      throw new IllegalArgumentException(file + ": '" + key + "' is missing");
    }
    return node;
  }

  public String text(String key) {
    JsonNode node = required(key);
    if (!node.isTextual()) {
      throw wrongType(key, "a text", node);
    }
    return node.asText();
  }

  public String text(String key, String otherwise) {
    return absent(key) ? otherwise : text(key);
  }

  public int integer(String key) {
    JsonNode node = required(key);
    if (!node.isIntegralNumber() || !node.canConvertToInt()) {
      throw wrongType(key, "an integer", node);
    }
    return node.asInt();
  }

  public int integer(String key, int otherwise) {
    return absent(key) ? otherwise : integer(key);
  }

  /**
   * {@return a dimension of the model}
   *
   * @throws IllegalArgumentException unless it is one that a model can have
   */
  public int size(String key) {
    return within(key, MOST);
  }

  public int size(String key, int otherwise) {
    return absent(key) ? otherwise : size(key);
  }

  /** {@return how many layers there are, under the family's own {@code key} for it} */
  public int layers(String key) {
    return within(key, MOST_LAYERS);
  }

  private int within(String key, int most) {
    JsonNode node = required(key);
    if (!node.isIntegralNumber()) {
      throw wrongType(key, "an integer", node);
    }
    if (!node.canConvertToInt() || node.asInt() < 1 || node.asInt() > most) {
      throw wrong("'" + said(key) + "': expected 1 to " + most + ", found " + node);
    }
    return node.asInt();
  }

  /** {@return a probability of dropout} */
  public double probability(String key, double otherwise) {
    double value = number(key, otherwise);
    if (!(value >= 0 && value <= 1)) {
      throw wrong("'" + said(key) + "': expected a probability from 0 to 1, found " + value);
    }
    return value;
  }

  public double positive(String key, double otherwise) {
    return absent(key) ? otherwise : positive(key);
  }

  /** {@return a number above 0} */
  public double positive(String key) {
    double value = number(key);
    if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
      throw wrong("'" + said(key) + "': expected a number above 0, found " + value);
    }
    return value;
  }

  /**
   * Refuses what would change results and is not done here.
   *
   * @param keys that have to be missing, null, false or empty
   */
  public void refuse(String... keys) {
    for (String key : keys) {
      JsonNode node = get(key);
      boolean without =
          node == null
              || node.isNull()
              || (node.isBoolean() && !node.asBoolean())
              || (node.isContainerNode() && node.isEmpty());
      if (!without) {
        throw unsupported(key, node.isBoolean() ? "false" : "none");
      }
    }
  }

  public double number(String key, double otherwise) {
    return absent(key) ? otherwise : number(key);
  }

  public double number(String key) {
    JsonNode node = required(key);
    if (!node.isNumber()) {
      throw wrongType(key, "a number", node);
    }
    return node.asDouble();
  }

  public boolean flag(String key, boolean otherwise) {
    if (absent(key)) {
      return otherwise;
    }
    JsonNode node = get(key);
    if (!node.isBoolean()) {
      throw wrongType(key, "true or false", node);
    }
    return node.asBoolean();
  }

  /** {@return the object under {@code key} as a config of its own, or null where there is none} */
  public ModelConfig section(String key) {
    if (absent(key)) {
      return null;
    }
    if (!(json.get(key) instanceof ObjectNode section)) {
      throw wrongType(key, "an object", json.get(key));
    }
    return plain(file, section);
  }

  <T> T optional(String key, Function<JsonNode, T> read, T otherwise) {
    return absent(key) ? otherwise : read.apply(get(key));
  }

  public Activation activation(String key, String otherwise) {
    String name = text(key, otherwise);
    return naming(key, () -> Activation.named(name));
  }

  /** {@return what {@code read} gives, its complaints preceded by this file and {@code key}} */
  <T> T naming(String key, Supplier<T> read) {
    try {
      return read.get();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(file + ": '" + key + "': " + e.getMessage(), e);
    }
  }

  public boolean absent(String key) {
    JsonNode node = get(key);
    return node == null || node.isNull();
  }

  private IllegalArgumentException wrongType(String key, String expected, JsonNode found) {
    return new IllegalArgumentException(
        file + ": '" + said(key) + "' must be " + expected + ", found " + found);
  }

  /**
   * {@return how many elements each of {@code heads} has that share {@code width}}
   *
   * @throws IllegalArgumentException if they cannot
   */
  public int headWidth(int width, int heads) {
    if (width % heads != 0) {
      throw wrong(
          "expected a width that is a multiple of the number of heads; found width "
              + width
              + ", "
              + heads
              + " heads");
    }
    return width / heads;
  }

  /** {@return an exception saying what is wrong in this file} */
  public IllegalArgumentException wrong(String message) {
    return new IllegalArgumentException(file + ": " + message);
  }

  /** {@return an exception saying that the value of {@code key} is not one of {@code supported}} */
  public IllegalArgumentException unsupported(String key, String supported) {
    return new IllegalArgumentException(
        file + ": " + said(key) + " " + get(key) + " is not supported; supported: " + supported);
  }
}
