package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.Golden;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.ReadBack;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What was saved is compared with what was trained. */
class SavedAdapterTest {

  private static final LoraConfig CONFIG =
      LoraConfig.builder()
          .r(4)
          .targetModules("q_proj", "v_proj")
          .alphaPattern(Map.of("v_proj", 2.0))
          .init(LoraInit.RANDOM)
          .build();

  @TempDir Path folder;

  private static String message(org.junit.jupiter.api.function.Executable check) {
    return assertThrows(IOException.class, check).getMessage();
  }

  @Test
  void configThatMeansSomethingElseIsNamed() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", CONFIG, 1);
      adapted.save("a", folder, Map.of());
      SavedAdapter.checkConfig(adapter, folder, lm.model());
      Path file = folder.resolve(AdapterFiles.CONFIG);
      String written = Files.readString(file);
      Files.writeString(file, written.replace("\"v_proj\": 2", "\"v_proj\": 3"));
      String said = message(() -> SavedAdapter.checkConfig(adapter, folder, lm.model()));
      assertTrue(said.contains("the scaling of model.layers.0.self_attn.v_proj"), said);
      assertTrue(said.contains("should be 0.5, but is read back as 0.75"), said);
      Files.writeString(file, written.replace("\"r\": 4", "\"r\": 2"));
      said = message(() -> SavedAdapter.checkConfig(adapter, folder, lm.model()));
      assertTrue(said.contains("the rank of model.layers.0.self_attn.q_proj"), said);
      Files.writeString(file, written.replace("\"q_proj\",", "\"k_proj\","));
      said = message(() -> SavedAdapter.checkConfig(adapter, folder, lm.model()));
      assertTrue(said.contains("target_modules should be"), said);
    }
  }

  @Test
  void filesThatActOtherwiseAreNamed() throws IOException {
    try (CausalLm lm = CausalLm.load(Golden.path("decoders/llama"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      adapted.add("a", CONFIG, 1);
      adapted.add("b", CONFIG, 2);
      AdapterMix mix = new AdapterMix(adapted, List.of("a"));
      Supplier<float[][]> outputs =
          () -> lm.logProbs(List.of(lm.sequence(new int[] {3, 4, 5, 6, 7})));
      mix.activate();
      float[][] trained = outputs.get();
      mix.export(folder, Map.of());
      mix.checkExported(folder, outputs);
      assertEquals(2, adapted.adapters().size());
      assertArrayEquals(trained, outputs.get());
      adapted.save("b", folder, Map.of());
      String said = message(() -> mix.checkExported(folder, outputs));
      assertTrue(said.contains("was not saved as it was trained: output 0 of example 0"), said);
      Files.delete(folder.resolve(AdapterFiles.WEIGHTS));
      assertThrows(IOException.class, () -> mix.checkExported(folder, outputs));
      assertEquals(2, adapted.adapters().size());
      assertArrayEquals(trained, outputs.get());
    }
  }

  private static TensorSource tensor(String name, DType type, int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length);
    for (int value : values) {
      bytes.putInt(value);
    }
    return TensorSource.of(name, type, List.of((long) values.length), bytes.flip());
  }

  @Test
  void tensorsThatDifferAreNamed() throws IOException {
    Path file = folder.resolve("a.safetensors");
    SafetensorsWriter.write(
        file, List.of(tensor("x", DType.F32, 1, 2), tensor("y", DType.F32, 3)), Map.of());
    ReadBack.checkFile(file, List.of(tensor("y", DType.F32, 3), tensor("x", DType.F32, 1, 2)));
    String said = message(() -> ReadBack.checkFile(file, List.of(tensor("x", DType.F32, 1, 2))));
    assertTrue(said.contains("[x], found [x, y]"), said);
    said =
        message(
            () ->
                ReadBack.checkFile(
                    file, List.of(tensor("x", DType.F32, 1), tensor("y", DType.F32, 3))));
    assertTrue(said.contains("'x' should be F32 of shape [1], found F32 of shape [2]"), said);
    said =
        message(
            () ->
                ReadBack.checkFile(
                    file, List.of(tensor("x", DType.F32, 1, 2), tensor("y", DType.F32, 4))));
    assertTrue(said.contains("'y' holds other numbers"), said);
  }
}
