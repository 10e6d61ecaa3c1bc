package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.model.CausalLm;
import io.peft4j.model.ModelExport;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.checkpoint.CheckpointQuantizer;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** A head of its own stored beside {@code tie_word_embeddings} survives quantizing. */
class QuantizedHeadTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Logger logger = (Logger) LoggerFactory.getLogger("io.peft4j");
  private final ListAppender<ILoggingEvent> said = new ListAppender<>();

  @TempDir Path temp;

  @BeforeEach
  void listen() {
    said.start();
    logger.addAppender(said);
  }

  @AfterEach
  void leave() {
    logger.detachAppender(said);
  }

  private List<String> warnings() {
    List<String> lines =
        said.list.stream()
            .filter(event -> event.getLevel() == Level.WARN)
            .map(ILoggingEvent::getFormattedMessage)
            .toList();
    said.list.clear();
    return lines;
  }

  private Path saying(Path from, String to, boolean tied) throws IOException {
    Path folder = Files.createDirectory(temp.resolve(to));
    ObjectNode config = (ObjectNode) JSON.readTree(from.resolve("config.json").toFile());
    config.put("tie_word_embeddings", tied);
    JSON.writeValue(folder.resolve("config.json").toFile(), config);
    Files.copy(from.resolve("model.safetensors"), folder.resolve("model.safetensors"));
    return folder;
  }

  private static float[] logProbs(CausalLm lm) {
    return lm.logProbs(List.of(lm.sequence(new int[] {1, 5, 9, 2, 30, 7})))[0];
  }

  private static float[] logProbs(Path folder) throws IOException {
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      return logProbs(lm);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt-neox"})
  void anOwnHeadIsKept(String name) throws IOException {
    Path golden = Path.of("../peft-core/src/test/resources/golden/decoders").resolve(name);
    CheckpointQuantizer quantizer =
        new CheckpointQuantizer(QuantizationConfig.nf4().withDoubleQuant(true));
    Path plain = temp.resolve("plain");
    quantizer.quantize(saying(golden, "untied", false), plain);
    float[] expected = logProbs(plain);
    assertEquals(List.of(), warnings());

    Path output = temp.resolve("output");
    quantizer.quantize(saying(golden, "tied", true), output);
    assertEquals(1, warnings().size());
    assertFalse(ModelConfig.read(output).tiesHead());
    assertArrayEquals(expected, logProbs(output));
    assertEquals(List.of(), warnings());

    try (CausalLm lm = CausalLm.load(saying(plain, "old", true), LoadOptions.DEFAULT)) {
      assertEquals(1, warnings().size());
      assertArrayEquals(expected, logProbs(lm));
      PackedExport.write(lm.model(), temp.resolve("packed"));
      ModelExport.write(lm.model(), temp.resolve("dense"));
    }
    assertFalse(ModelConfig.read(temp.resolve("packed")).tiesHead());
    assertArrayEquals(expected, logProbs(temp.resolve("packed")));
    assertFalse(ModelConfig.read(temp.resolve("dense")).tiesHead());
    String head = name.equals("llama") ? "lm_head.weight" : "embed_out.weight";
    try (Checkpoint was = Checkpoint.open(golden);
        Checkpoint is = Checkpoint.open(temp.resolve("dense"))) {
      assertEquals(was.bytes(head), is.bytes(head));
    }
    assertEquals(List.of(), warnings());
  }

  @ParameterizedTest
  @ValueSource(strings = {"nf4", "fp4", "int8"})
  void whatAQuantizedWeightIsMadeOfIsUsed(String type) throws IOException {
    QuantizationConfig config =
        QuantizationConfig.of(QuantType.of(type)).withDoubleQuant(!type.equals("int8"));
    Path output = temp.resolve(type);
    new CheckpointQuantizer(config)
        .quantize(Path.of("../peft-core/src/test/resources/golden/decoders/llama"), output);
    logProbs(output);
    assertEquals(List.of(), warnings());
  }
}
