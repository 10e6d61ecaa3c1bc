package io.peft4j.quant.checkpoint;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonErrors;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A model's {@code config.json}, and the {@code quantization_config} that goes into it. */
final class HfConfig {
  static final String FILE = "config.json";

  private static final String KEY = "quantization_config";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final ObjectNode root;

  private HfConfig(ObjectNode root) {
    this.root = root;
  }

  static HfConfig read(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    JsonNode json;
    try {
      json = JSON.readTree(Files.readAllBytes(file));
    } catch (JacksonException e) {
      throw new QuantizationException(file + ": is no JSON: " + JsonErrors.sentence(e), e);
    }
    if (!(json instanceof ObjectNode object)) {
      throw new QuantizationException(file + ": expected a JSON object");
    }
    if (object.hasNonNull(KEY)) {
      throw new QuantizationException(
          "%s: has '%s' already; quantize the dense model".formatted(file, KEY));
    }
    return new HfConfig(object);
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
