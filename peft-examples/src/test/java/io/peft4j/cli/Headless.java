package io.peft4j.cli;

import io.peft4j.safetensors.SafetensorsFile;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Takes a classifier's head off a checkpoint. */
final class Headless {

  private Headless() {}

  /** Copies {@code from} without what its head consists of, BERT's pooler included. */
  static void copy(Path from, Path to) throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(from)) {
      List<TensorSource> kept =
          file.tensors().values().stream()
              .filter(info -> !info.name().matches(".*(classifier|pooler).*"))
              .map(
                  info ->
                      TensorSource.of(
                          info.name(), info.dtype(), info.shape(), file.bytes(info.name())))
              .toList();
      SafetensorsWriter.write(to, kept, Map.of("format", "pt"));
    }
  }
}
