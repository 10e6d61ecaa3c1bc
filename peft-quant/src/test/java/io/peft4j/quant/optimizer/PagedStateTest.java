package io.peft4j.quant.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.HostTensors;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.optimizer.MomentStore;
import io.peft4j.train.optimizer.StateMemory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Paged states change where the moments are, and nothing else. */
class PagedStateTest {

  /** Two that are paged, one that is too small for that, one too small for 8 bits. */
  private static final Map<String, Integer> SIZES =
      Map.of("a.weight", 150_000, "b.weight", 100_000, "c.weight", 99_999, "d.bias", 300);

  private static TrainingArguments arguments(String optim) {
    return TrainingArguments.builder().optim(optim).weightDecay(0.1).build();
  }

  private static Map<String, NDArray> parameters(NDManager manager, Map<String, Integer> sizes) {
    Map<String, NDArray> parameters = new LinkedHashMap<>();
    for (Map.Entry<String, Integer> size : new TreeMap<>(sizes).entrySet()) {
      parameters.put(
          size.getKey(), DrawnGradients.parameter(manager, parameters.size(), size.getValue()));
    }
    return parameters;
  }

  /** Each parameter's gradient is its own, drawn by step. */
  private static void step(
      SteppedOptimizer optimizer, Map<String, NDArray> parameters, int number) {
    int seed = 1000 * number;
    for (NDArray parameter : parameters.values()) {
      DrawnGradients.add(parameter, DrawnGradients.floats(seed++, (int) parameter.size()));
    }
    optimizer.step(0.01, 0.5);
    optimizer.clearGradients();
  }

  private static Map<String, byte[]> bytes(SteppedOptimizer optimizer) {
    Map<String, byte[]> state = new TreeMap<>();
    optimizer.state().forEach((name, tensor) -> state.put(name, bytes(tensor)));
    return state;
  }

  private static byte[] bytes(NDArray array) {
    ByteBuffer memory = HostTensors.elements(array);
    byte[] bytes = new byte[memory.remaining()];
    memory.get(bytes);
    return bytes;
  }

  private static void assertSame(Map<String, byte[]> expected, Map<String, byte[]> found) {
    assertEquals(expected.keySet(), found.keySet());
    expected.forEach((name, values) -> assertArrayEquals(values, found.get(name), name));
  }

  @ParameterizedTest
  @CsvSource({"adamw_torch, paged_adamw_32bit", "adamw_8bit, paged_adamw_8bit"})
  void weightsAndStateHaveTheBytesOfUnpagedOnes(String plain, String paged) {
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Map<String, NDArray> expected = parameters(manager, SIZES);
      Map<String, NDArray> found = parameters(manager, SIZES);
      try (SteppedOptimizer unpaged = new SteppedOptimizer(expected, manager, arguments(plain));
          SteppedOptimizer optimizer = new SteppedOptimizer(found, manager, arguments(paged))) {
        for (int i = 1; i <= 20; i++) {
          step(unpaged, expected, i);
          step(optimizer, found, i);
        }
        expected.forEach(
            (name, array) -> assertArrayEquals(bytes(array), bytes(found.get(name)), name));
        assertSame(bytes(unpaged), bytes(optimizer));
        assertTrue(optimizer.stateBytes() != unpaged.stateBytes());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "adamw_torch, paged_adamw_32bit",
    "paged_adamw_32bit, adamw_torch",
    "adamw_8bit, paged_adamw_8bit",
    "paged_adamw_8bit, adamw_8bit"
  })
  void resumesFromWhatTheOtherLeft(String before, String after) {
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Map<String, NDArray> through = parameters(manager, SIZES);
      Map<String, NDArray> resumed = parameters(manager, SIZES);
      try (SteppedOptimizer first = new SteppedOptimizer(through, manager, arguments(before));
          SteppedOptimizer second = new SteppedOptimizer(resumed, manager, arguments(after))) {
        for (int i = 1; i <= 3; i++) {
          step(first, through, i);
        }
        through.forEach((name, array) -> HostTensors.copy(array, resumed.get(name)));
        Map<String, byte[]> saved = bytes(first);
        second.state().forEach((name, t) -> HostTensors.fill(t, ByteBuffer.wrap(saved.get(name))));
        second.resume(3);
        for (int i = 4; i <= 6; i++) {
          step(first, through, i);
          step(second, resumed, i);
        }
        through.forEach(
            (name, array) -> assertArrayEquals(bytes(array), bytes(resumed.get(name)), name));
        assertSame(bytes(first), bytes(second));
      }
    }
  }

  @Test
  void aRunsPlanDoesNotSayWhetherItsStateIsPaged() {
    assertEquals(plan("adamw_torch"), plan("paged_adamw_32bit"));
    assertEquals(plan("adamw_8bit"), plan("paged_adamw_8bit"));
    assertEquals("adamw_8bit", plan("paged_adamw_8bit").get("optim"));
    assertNull(plan("adamw_torch").get("optim"));
  }

  private static Map<String, String> plan(String optim) {
    return arguments(optim).optimizer().plan(arguments(optim));
  }

  /** What a GPU has for a step, of state that is kept elsewhere. */
  @Test
  void aCopyIsWholeAndOfItsOwn() {
    int size = 5000;
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      MomentStore kept = store(manager, size);
      NDArray a = manager.create(DrawnGradients.floats(1, size));
      NDArray b = manager.create(DrawnGradients.floats(2, size));
      kept.write(a, b);
      Map<String, byte[]> before = bytes(kept);
      MomentStore near = kept.copyTo(manager);
      assertSame(before, bytes(near));
      near.write(b, a);
      assertSame(before, bytes(kept));
      MomentStore expected = store(manager, size);
      expected.write(b, a);
      assertSame(bytes(expected), bytes(near));
    }
  }

  private static MomentStore store(NDManager manager, int size) {
    return new EightBitMoments.Provider().create(manager, StateMemory.of(manager), size);
  }

  private static Map<String, byte[]> bytes(MomentStore store) {
    Map<String, byte[]> state = new TreeMap<>();
    store.state().forEach((name, tensor) -> state.put(name, bytes(tensor)));
    return state;
  }

  /** The mappings of our scratch files: how many, and how many bytes of them are in memory. */
  private record Mapped(int count, long size, long resident) {
    static Mapped now() throws IOException {
      int count = 0;
      long size = 0;
      long resident = 0;
      boolean ours = false;
      for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
        if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
          ours = line.contains(".scratch (deleted)");
          count += ours ? 1 : 0;
        } else if (ours && line.startsWith("Size:")) {
          size += kilobytes(line);
        } else if (ours && line.startsWith("Rss:")) {
          resident += kilobytes(line);
        }
      }
      return new Mapped(count, size, resident);
    }

    private static long kilobytes(String line) {
      return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
    }
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void stateIsNotResidentBetweenStepsAndLeavesNoFile() throws IOException {
    Map<String, Integer> sizes = new TreeMap<>();
    for (int i = 0; i < 8; i++) {
      sizes.put("w" + i + ".weight", 1_000_000);
    }
    assertEquals(0, Mapped.now().count());
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Map<String, NDArray> parameters = parameters(manager, sizes);
      try (SteppedOptimizer optimizer =
          new SteppedOptimizer(parameters, manager, arguments("paged_adamw_32bit"))) {
        for (int i = 1; i <= 2; i++) {
          step(optimizer, parameters, i);
          Mapped mapped = Mapped.now();
          assertEquals(8, mapped.count());
          assertTrue(mapped.size() >= 8 * 8_000_000L, mapped.toString());
          assertTrue(mapped.resident() < 2_000_000, mapped.toString());
        }
        assertEquals(2 * 8_000_000L, optimizer.stateBytes());
        assertTrue(scratchFiles() == 0, "a name is left");
      }
      assertEquals(0, Mapped.now().count());
    }
  }

  private static long scratchFiles() throws IOException {
    try (var files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      return files.filter(file -> file.toString().endsWith(".scratch")).count();
    }
  }
}
