package io.peft4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import io.peft4j.torch.GpuMemory;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class MemoryMonitorTest {

  @Test
  void thePeakIsTheHighestSample() {
    Iterator<Long> used = List.of(5L << 30, 9L << 30, 7L << 30).iterator();
    MemoryMonitor monitor =
        new MemoryMonitor(() -> Optional.of(new GpuMemory.Use(used.next(), 24L << 30)));
    monitor.now();
    monitor.now();
    ProcessMemory last = monitor.now();
    assertEquals(Optional.of(new ProcessMemory.Gpu(7L << 30, 9L << 30, 24L << 30)), last.gpu());
    assertTrue(last.heapBytes() > 0);
    assertTrue(Display.memory(last).endsWith(", GPU 7.52 GB"), Display.memory(last));
    assertTrue(Display.peakMemory(last).endsWith(", GPU 9.66 GB"), Display.peakMemory(last));
  }

  @Test
  void aCpuHasNone() {
    ProcessMemory memory = new MemoryMonitor(Device.cpu()).now();
    assertEquals(Optional.empty(), memory.gpu());
    assertTrue(!Display.memory(memory).contains("GPU"));
  }

  /** Nobody on core's class path knows a driver. */
  @Test
  void whereNobodyCanTellNoneIsReported() {
    assertEquals(Optional.empty(), new MemoryMonitor(Device.gpu(0)).now().gpu());
  }
}
