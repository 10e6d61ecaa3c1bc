package io.peft4j.adapter;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterKeys;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.adapter.method.AdapterOrigin;
import io.peft4j.adapter.method.Floats;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.FileGroup;
import io.peft4j.io.JsonFiles;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.ReadBack;
import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.HostTensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** Adapter folders as peft lays them out: {@value #CONFIG} and {@value #WEIGHTS}. */
public final class AdapterFiles {

  /** The file that says what the adapter is. */
  public static final String CONFIG = AdapterMethod.CONFIG;

  /** The file with its tensors. */
  public static final String WEIGHTS = AdapterMethod.WEIGHTS;

  /** The file beside them in a checkpoint of a training whose method needs more. */
  public static final String STATE = "adapter_state.safetensors";

  /**
   * In the name of a second copy of a saved module's tensor, which peft writes with bias="all" or
   * beside an embedding, and never reads.
   */
  private static final String SECOND = ".modules_to_save.";

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private AdapterFiles() {}

  /**
   * Reads {@value #CONFIG} in {@code folder}.
   *
   * @throws IOException if it cannot be read
   * @throws IllegalArgumentException if it is not a config of a method known here; the message
   *     names file and key
   */
  public static AdapterConfig readConfig(Path folder) throws IOException {
    Path file = document(folder);
    JsonNode json;
    try {
      json = JsonFiles.read(file);
    } catch (NoSuchFileException e) {
      if (FileGroup.settle(folder)) {
        return readConfig(folder);
      }
      throw AdapterFolders.noConfig(folder, file);
    }
    if (!(json instanceof ObjectNode object)) {
      throw new IllegalArgumentException(file + ": expected an object");
    }
    try {
      AdapterMethod method = AdapterMethods.of(object);
      return method.inFolder(method.parse(object), folder);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
    }
  }

  private static Path document(Path folder) {
    return AdapterMethods.documents().stream()
        .map(folder::resolve)
        .filter(Files::exists)
        .findFirst()
        .orElse(folder.resolve(CONFIG));
  }

  /** {@return the tensor files of an adapter folder; none for a method without tensors} */
  public static List<Path> weights(Path folder) throws IOException {
    AdapterMethod method = AdapterMethods.named(readConfig(folder).peftType());
    List<Path> files = new ArrayList<>();
    for (String name : method.files()) {
      if (files.isEmpty()) {
        AdapterFolders.checkWeights(folder, folder.resolve(name));
      }
      if (files.isEmpty() || Files.exists(folder.resolve(name))) {
        files.add(folder.resolve(name));
      }
    }
    return files;
  }

  /** {@return the shapes of the tensors in the tensor files, without peft's prefix} */
  public static Map<String, List<Long>> readShapes(Path folder) throws IOException {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    for (Path path : weights(folder)) {
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        byKey(path, file).forEach((key, info) -> shapes.put(key, info.shape()));
      }
    }
    return shapes;
  }

  static Map<String, TensorInfo> byKey(Path path, SafetensorsFile file) {
    try {
      return AdapterKeys.byKey(file.tensors().values());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(path + ": " + e.getMessage(), e);
    }
  }

  /** {@return the metadata of the tensor file; empty where there is none} */
  public static Map<String, String> readMetadata(Path folder) throws IOException {
    List<Path> files = weights(folder);
    if (files.isEmpty()) {
      return Map.of();
    }
    try (SafetensorsFile file = SafetensorsFile.open(files.get(0))) {
      return file.metadata();
    }
  }

  /**
   * Writes {@code config} and {@code tensors} to {@code folder}, all of it or nothing.
   *
   * @param metadata of the tensor file, beside {@code format=pt}
   */
  static void write(
      Path folder, AdapterConfig config, Map<String, NDArray> tensors, Map<String, String> metadata)
      throws IOException {
    AdapterMethod method = AdapterMethods.named(config.peftType());
    Map<String, List<TensorSource>> sources = new TreeMap<>();
    tensors.forEach(
        (key, tensor) ->
            sources
                .computeIfAbsent(method.fileOf(key), file -> new ArrayList<>())
                .add(source(onDisk(method, config, key), tensor)));
    Map<String, String> all = new TreeMap<>(metadata);
    all.put("format", "pt");
    Map<String, AtomicFiles.Content> files = new LinkedHashMap<>();
    sources.forEach(
        (name, list) ->
            files.put(name, SafetensorsWriter.content(folder.resolve(name), list, all)));
    List<Map.Entry<String, ObjectNode>> documents =
        new ArrayList<>(method.documents(config.built()).entrySet());
    Collections.reverse(documents); // the last is the one that makes the folder an adapter
    for (Map.Entry<String, ObjectNode> file : documents) {
      files.put(file.getKey(), AtomicFiles.text(print(file.getValue()) + "\n"));
    }
    FileGroup.write(folder, files);
    for (Map.Entry<String, List<TensorSource>> file : sources.entrySet()) {
      ReadBack.checkFile(folder.resolve(file.getKey()), file.getValue());
    }
  }

  /** {@return the name that a tensor has in the file, without peft's prefix} */
  static String keyOnDisk(AdapterMethod method, AdapterConfig config, String key) {
    return AdapterKeys.strip(onDisk(method, config, key));
  }

  /**
   * What was trained on a model without a head (peft's FEATURE_EXTRACTION) does not have the name
   * that the model has within one with a head, such as {@code bert.}, in front.
   */
  private static String onDisk(AdapterMethod method, AdapterConfig config, String key) {
    return method.onDisk(AdapterKeys.nameOnDisk(config, key));
  }

  /** {@return where an adapter of {@code folder} comes from, whose config that is} */
  static AdapterOrigin origin(Path folder, AdapterConfig config) throws IOException {
    AdapterMethod method = AdapterMethods.named(config.peftType());
    return new AdapterOrigin(
        folder, readShapes(folder), key -> AdapterKeys.strip(onDisk(method, config, key)), false);
  }

  /** Writes {@value #STATE}. */
  static void writeState(Path folder, Map<String, NDArray> tensors) throws IOException {
    List<TensorSource> sources = new ArrayList<>();
    tensors.forEach((key, tensor) -> sources.add(source(key, tensor)));
    SafetensorsWriter.write(folder.resolve(STATE), sources, Map.of("format", "pt"));
  }

  /** As Python's {@code json.dumps(indent=2, sort_keys=True)} has it. */
  private static String print(ObjectNode json) throws JsonProcessingException {
    DefaultPrettyPrinter printer =
        new DefaultPrettyPrinter(
            com.fasterxml.jackson.core.util.Separators.createDefaultInstance()
                .withObjectFieldValueSpacing(
                    com.fasterxml.jackson.core.util.Separators.Spacing.AFTER)
                .withObjectEmptySeparator("")
                .withArrayEmptySeparator(""));
    DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
    printer.indentObjectsWith(indenter);
    printer.indentArraysWith(indenter);
    return JSON.writer(printer)
        .with(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
        .writeValueAsString(JSON.treeToValue(json, TreeMap.class));
  }

  /** {@return a float32 tensor as something to write} */
  public static TensorSource source(String name, NDArray tensor) {
    List<Long> shape = HostTensors.dimensions(tensor.getShape());
    return TensorSource.of(name, DType.F32, shape, HostTensors.elements(tensor));
  }

  /**
   * Reads {@value #WEIGHTS} in {@code folder} into {@code tensors}, which must be those the file
   * has, but for what is known already.
   *
   * @param redundant keys of tensors that it may have besides
   * @throws IOException if the file cannot be read
   * @throws IllegalArgumentException if a tensor is missing, unexpected, of another shape, or holds
   *     a number that is not finite; nothing has then been changed
   */
  static void readInto(
      Path folder, AdapterConfig config, Map<String, NDArray> tensors, Set<String> redundant)
      throws IOException {
    AdapterMethod method = AdapterMethods.named(config.peftType());
    Map<String, Map<String, NDArray>> files = new TreeMap<>();
    tensors.forEach(
        (key, tensor) ->
            files
                .computeIfAbsent(method.fileOf(key), file -> new LinkedHashMap<>())
                .put(AdapterKeys.strip(onDisk(method, config, key)), tensor));
    List<Loaded> values = new ArrayList<>();
    for (Map.Entry<String, Map<String, NDArray>> file : files.entrySet()) {
      values.addAll(
          read(folder.resolve(file.getKey()), file.getValue(), redundant, AdapterFiles::byKey));
    }
    values.forEach(Loaded::set);
  }

  /**
   * Makes sure that the tensors of {@value #WEIGHTS} that are {@code copies} of something have its
   * numbers.
   *
   * @param copies by key; the file need not have them
   * @throws IllegalArgumentException if one differs
   */
  static void checkCopies(Path folder, AdapterConfig config, Map<String, NDArray> copies)
      throws IOException {
    if (copies.isEmpty()) {
      return;
    }
    Path path = folder.resolve(WEIGHTS);
    AdapterMethod method = AdapterMethods.named(config.peftType());
    Map<String, NDArray> byKey = new LinkedHashMap<>();
    copies.forEach((key, copy) -> byKey.put(keyOnDisk(method, config, key), copy));
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      for (Map.Entry<String, TensorInfo> entry : byKey(path, file).entrySet()) {
        NDArray copy = byKey.get(entry.getKey());
        TensorInfo info = entry.getValue();
        if (copy != null) {
          checkShape(path, entry.getKey(), copy, info);
          checkSame(path, info, Floats.read(file, info), copy.toFloatArray());
        }
      }
    }
  }

  private static void checkSame(Path path, TensorInfo info, float[] found, float[] expected) {
    if (!Arrays.equals(found, expected)) {
      throw new IllegalArgumentException(
          path
              + ": tensor '"
              + info.name()
              + "' should be a copy of what it is tied to, or what the adapter was loaded with;"
              + " found other numbers");
    }
  }

  /** As {@link #readInto}, from {@value #STATE}. */
  static void readState(Path folder, Map<String, NDArray> tensors) throws IOException {
    // Names of our own, which are as they are.
    Names names = (path, file) -> file.tensors();
    read(folder.resolve(STATE), tensors, Set.of(), names).forEach(Loaded::set);
  }

  /** Gives the tensors of a file by key. */
  private interface Names {
    Map<String, TensorInfo> of(Path path, SafetensorsFile file);
  }

  private static List<Loaded> read(
      Path path, Map<String, NDArray> tensors, Set<String> redundant, Names names)
      throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      Map<String, TensorInfo> found = new LinkedHashMap<>(names.of(path, file));
      found.keySet().removeIf(key -> !tensors.containsKey(key) && redundant.contains(key));
      dropSecondCopies(file, found);
      checkNames(path, tensors, found);
      List<Loaded> values = new ArrayList<>();
      for (Map.Entry<String, NDArray> entry : tensors.entrySet()) {
        TensorInfo info = found.get(entry.getKey());
        checkShape(path, entry.getKey(), entry.getValue(), info);
        values.add(new Loaded(entry.getValue(), finite(path, info, Floats.read(file, info))));
      }
      return values;
    }
  }

  /** Numbers for a tensor; it gets them when all others have been read too. */
  private record Loaded(NDArray tensor, float[] values) {
    void set() {
      HostTensors.fill(tensor, values);
    }
  }

  private static void dropSecondCopies(SafetensorsFile file, Map<String, TensorInfo> found) {
    for (String key : List.copyOf(found.keySet())) {
      TensorInfo first = found.get(key.replace(SECOND, "."));
      TensorInfo second = found.get(key);
      if (key.contains(SECOND)
          && first != null
          && first.shape().equals(second.shape())
          && Arrays.equals(Floats.read(file, first), Floats.read(file, second))) {
        found.remove(key);
      }
    }
  }

  private static void checkNames(
      Path path, Map<String, NDArray> expected, Map<String, TensorInfo> found) {
    TreeSet<String> missing = new TreeSet<>(expected.keySet());
    missing.removeAll(found.keySet());
    TreeSet<String> unexpected = new TreeSet<>(found.keySet());
    unexpected.removeAll(expected.keySet());
    if (!missing.isEmpty() || !unexpected.isEmpty()) {
      throw new IllegalArgumentException(
          path
              + ": does not fit its config on this model; missing: "
              + some(missing)
              + "; unexpected: "
              + some(unexpected));
    }
  }

  private static String some(TreeSet<String> names) {
    if (names.isEmpty()) {
      return "none";
    }
    String first = String.join(", ", names.stream().limit(8).toList());
    return names.size() <= 8 ? first : first + " and " + (names.size() - 8) + " more";
  }

  private static void checkShape(Path path, String key, NDArray expected, TensorInfo found) {
    List<Long> shape = HostTensors.dimensions(expected.getShape());
    if (!shape.equals(found.shape())) {
      throw new IllegalArgumentException(
          path + ": tensor '" + key + "': expected shape " + shape + ", found " + found.shape());
    }
  }

  static float[] finite(Path path, TensorInfo info, float[] values) {
    for (int i = 0; i < values.length; i++) {
      if (!Float.isFinite(values[i])) {
        throw new IllegalArgumentException(
            path
                + ": tensor '"
                + info.name()
                + "': element "
                + i
                + " should be a finite number, found "
                + values[i]);
      }
    }
    return values;
  }
}
