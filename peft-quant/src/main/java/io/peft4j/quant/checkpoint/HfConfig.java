package io.peft4j.quant.checkpoint;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.GitLfs;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.decoder.HeadTie;
import io.peft4j.model.family.Families;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** A model's {@code config.json}, and the {@code quantization_config} that goes into it. */
final class HfConfig {
  static final String FILE = "config.json";

  private static final String KEY = "quantization_config";
  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final ObjectNode root;

  private HfConfig(ObjectNode root) {
    this.root = root;
  }

  static HfConfig read(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    byte[] content = Files.readAllBytes(file);
    GitLfs.refusePointer(file, content);
    JsonNode json;
    try {
      json = JSON.readTree(content);
    } catch (JacksonException e) {
      throw new QuantizationException(file + ": is no JSON: " + JsonErrors.sentence(e), e);
    }
    if (!(json instanceof ObjectNode object)) {
      throw new QuantizationException(file + ": expected a JSON object");
    }
    if (object.hasNonNull(KEY)) {
      throw new QuantizationException(
          String.format(Locale.ROOT, "%s: has '%s' already; quantize the dense model", file, KEY));
    }
    return new HfConfig(object);
  }

  /** {@return this, saying of the head what {@code checkpoint} has; see {@link HeadTie}} */
  HfConfig settled(Path folder, Checkpoint checkpoint) throws IOException {
    return modelType().isEmpty()
        ? this
        : new HfConfig(HeadTie.settled(Families.config(folder), checkpoint).json());
  }

  String modelType() {
    return root.path("model_type").asText("");
  }

  /**
   * The file with a {@link BnbConfig}.
   *
   * @param keptModules linear modules that are stored dense
   */
  String with(QuantizationConfig config, List<String> keptModules) throws IOException {
    ObjectNode copy = root.deepCopy();
    copy.set(KEY, BnbConfig.json(config, keptModules));
    DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
    Separators separators =
        Separators.createDefaultInstance()
            .withObjectFieldValueSpacing(Separators.Spacing.AFTER)
            .withArrayEmptySeparator("")
            .withObjectEmptySeparator("");
    DefaultPrettyPrinter printer = new DefaultPrettyPrinter(separators);
    printer.indentObjectsWith(indenter);
    printer.indentArraysWith(indenter);
    return JSON.writer(printer).writeValueAsString(copy) + "\n";
  }
}
