package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A language model's run that was killed ends with the bytes of one that was not. */
class CausalResumeTest {

  @ParameterizedTest
  @EnumSource(CausalRun.Method.class)
  void killedProcessesResume(CausalRun.Method method, @TempDir Path folder) throws Exception {
    CausalRun.run(folder.resolve("whole"), method, TinyTraining.SILENT);
    Path output = folder.resolve("killed");
    Random random = new Random();
    for (int steps : new int[] {4 + random.nextInt(3), 5}) {
      Process process = Fork.start(CausalRun.class, List.of(), output, method);
      try (BufferedReader said = process.inputReader()) {
        for (int i = 0; i < steps; ) {
          String line = said.readLine();
          assertTrue(line != null, "ended by itself");
          i += line.startsWith("step ") ? 1 : 0;
        }
        TimeUnit.MILLISECONDS.sleep(random.nextInt(30));
        process.destroyForcibly();
        assertEquals(128 + 9, process.waitFor(), "killed by SIGKILL");
      }
    }
    Process last = Fork.start(CausalRun.class, List.of(), output, method);
    List<String> steps;
    try (BufferedReader said = last.inputReader()) {
      steps = said.lines().filter(line -> line.startsWith("step ")).toList();
    }
    assertEquals(0, last.waitFor());
    System.out.println(method + ": the last process did " + steps);
    assertTrue(steps.size() < 24, "resumed from a checkpoint, not from the start: " + steps);
    assertArrayEquals(method.result(folder.resolve("whole")), method.result(output));
  }
}
