package io.peft4j.quant.soak;

import io.peft4j.model.Model;
import io.peft4j.train.report.ProcessMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a process holds while nothing is under way.
 *
 * @param second since the start
 * @param operations done so far
 * @param rss resident memory in KiB
 * @param heap Java heap in use after a collection, in KiB
 * @param arrays native arrays alive
 * @param descriptors open files
 * @param threads of Java
 * @param mapped mappings of tensor files
 * @param regions mappings of any kind
 */
record Measurement(
    long second,
    long operations,
    long rss,
    long heap,
    int arrays,
    int descriptors,
    int threads,
    int mapped,
    int regions) {

  private static final String MARK = "measured ";

  static Measurement now(long second, long operations, Model model) throws IOException {
    System.gc();
    System.gc();
    List<String> regions = Files.readAllLines(Path.of("/proc/self/maps"));
    ProcessMemory memory = ProcessMemory.now();
    int descriptors;
    try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
      descriptors = (int) files.count();
    }
    return new Measurement(
        second,
        operations,
        memory.rssBytes().orElseThrow() >> 10,
        memory.heapBytes() >> 10,
        model.manager().getParentManager().getManagedArrays().size(),
        descriptors,
        Thread.activeCount(),
        (int) regions.stream().filter(line -> line.contains(".safetensors")).count(),
        regions.size());
  }

  String line() {
    return MARK
        + String.join(
            " ",
            Stream.of(second, operations, rss, heap, arrays, descriptors, threads, mapped, regions)
                .map(Object::toString)
                .toList());
  }

  static boolean isOne(String line) {
    return line.startsWith(MARK);
  }

  static Measurement of(String line) {
    long[] words =
        Arrays.stream(line.substring(MARK.length()).split(" "))
            .mapToLong(Long::parseLong)
            .toArray();
    return new Measurement(
        words[0],
        words[1],
        words[2],
        words[3],
        (int) words[4],
        (int) words[5],
        (int) words[6],
        (int) words[7],
        (int) words[8]);
  }
}
