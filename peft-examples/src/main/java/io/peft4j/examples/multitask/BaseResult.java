package io.peft4j.examples.multitask;

import java.util.List;

/**
 * What came of one base and its tasks.
 *
 * @param base {@code encoder} or {@code decoder}
 * @param disk bytes of its weights files
 * @param memory bytes of its parameters
 * @param before SHA-256 of its parameters in memory, before it served
 * @param after the same, afterwards
 * @param file SHA-256 of its checkpoint before any training
 * @param fileAfter the same, afterwards
 */
public record BaseResult(
    String base,
    long disk,
    long memory,
    String before,
    String after,
    String file,
    String fileAfter,
    List<TaskResult> tasks,
    List<Latency> latencies) {

  /** {@return whether it is what it was, in memory and in its files} */
  public boolean unchanged() {
    return before.equals(after) && file.equals(fileAfter);
  }

  /** {@return whether every answer was what its adapter gives by itself} */
  public boolean same() {
    return tasks.stream().allMatch(task -> task.same() == task.answers());
  }

  /** {@return bytes of the base once and an adapter each} */
  public long shared() {
    return memory + tasks.stream().mapToLong(TaskResult::adapterMemory).sum();
  }

  /** {@return bytes of a model each} */
  public long separate() {
    return tasks.stream().mapToLong(TaskResult::modelMemory).sum();
  }

  long sharedDisk() {
    return disk + tasks.stream().mapToLong(TaskResult::adapterDisk).sum();
  }

  long separateDisk() {
    return tasks.stream().mapToLong(TaskResult::modelDisk).sum();
  }
}
