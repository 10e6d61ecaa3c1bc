package io.peft4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class ProcessMemoryTest {

  @Test
  void readsTheLinesOfTheStatusFile() {
    ProcessMemory memory =
        ProcessMemory.of(
            List.of("Name:\tjava", "VmHWM:\t  300000 kB", "VmRSS:\t  200000 kB", "Threads:\t7"), 5);
    assertEquals(OptionalLong.of(300_000L * 1024), memory.peakRssBytes());
    assertEquals(OptionalLong.of(200_000L * 1024), memory.rssBytes());
    assertEquals(5, memory.heapBytes());
  }

  @Test
  void isAbsentWhereTheSystemDoesNotTell() {
    ProcessMemory none = new ProcessMemory(OptionalLong.empty(), OptionalLong.empty(), 5);
    assertEquals(none, ProcessMemory.of(ProcessMemory.status(Path.of("no/such/status")), 5));
    assertEquals(none, ProcessMemory.of(List.of("VmRSS:", "VmHWM: many kB"), 5));
    assertEquals(none, ProcessMemory.of(List.of("VmRSS: 1 MB", "VmHWM: 99999999999999999 kB"), 5));
  }

  @Test
  void nativeMemoryCounts() {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) {
      System.out.println("skipped: no " + status + " on this system");
    }
    Assumptions.assumeTrue(Files.exists(status), "no " + status);
    long before = ProcessMemory.now().rssBytes().getAsLong();
    int size = 64 << 20;
    ByteBuffer block = ByteBuffer.allocateDirect(size);
    for (int i = 0; i < size; i += 4096) {
      block.put(i, (byte) 1);
    }
    ProcessMemory after = ProcessMemory.now();
    assertEquals(1, block.get(0));
    assertTrue(after.rssBytes().getAsLong() - before > size / 2, before + " then " + after);
    assertTrue(after.peakRssBytes().getAsLong() >= after.rssBytes().getAsLong(), after.toString());
    assertTrue(after.heapBytes() > 0, after.toString());
  }

  @Test
  void theHeapToComeIsWhatIsSetAsideAndUnused() {
    long free = ProcessMemory.heapToCome();
    long setAside = Runtime.getRuntime().totalMemory();
    assertTrue(free >= 0 && free < setAside, free + " of " + setAside);
    byte[][] blocks = new byte[(int) (free >> 20) + 1][1 << 20];
    long after = ProcessMemory.heapToCome() - (Runtime.getRuntime().totalMemory() - setAside);
    assertTrue(after <= free / 2, blocks.length + " MiB later: " + free + " then " + after);
  }
}
