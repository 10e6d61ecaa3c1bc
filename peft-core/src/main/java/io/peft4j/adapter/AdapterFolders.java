package io.peft4j.adapter;

import io.peft4j.adapter.method.AdapterMethods;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** Says of folders that hold no adapter what they hold instead, and what to do. */
final class AdapterFolders {

  private static final List<String> PICKLES =
      List.of("adapter_model.bin", "pytorch_adapter.bin", "pytorch_model_adapter_fusion.bin");

  private AdapterFolders() {}

  /** {@return what to throw where {@code file}, an adapter's config, is not there} */
  static IOException noConfig(Path folder, Path file) throws IOException {
    String reason = "an adapter folder needs this file";
    List<String> inside = adaptersIn(folder);
    if (inside.size() == 1) {
      reason += "; it has an adapter in " + folder.resolve(inside.get(0)) + ", name that folder";
    } else if (!inside.isEmpty()) {
      reason += "; it has adapters in " + String.join(", ", inside) + ", name one of those folders";
    } else if (Files.exists(folder.resolve("config.json"))) {
      reason += "; it has a config.json and is a model, not an adapter";
    }
    return new NoSuchFileException(file.toString(), null, reason);
  }

  private static List<String> adaptersIn(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .filter(
              entry ->
                  AdapterMethods.documents().stream()
                      .anyMatch(document -> Files.isRegularFile(entry.resolve(document))))
          .map(entry -> entry.getFileName().toString())
          .sorted()
          .limit(20)
          .toList();
    }
  }

  /**
   * @throws IOException if {@code file}, an adapter's tensors, is not there; the message says what
   *     there is instead
   */
  static void checkWeights(Path folder, Path file) throws IOException {
    if (Files.exists(file)) {
      return;
    }
    for (String pickle : PICKLES) {
      if (Files.exists(folder.resolve(pickle))) {
        throw new IOException(
            folder.resolve(pickle)
                + ": is a pickle, which could run code and is not read; convert it once in Python:"
                + " from safetensors.torch import save_file; import torch; save_file({k:"
                + String.format(
                    Locale.ROOT,
                    " v.contiguous() for k, v in torch.load('%s', map_location='cpu',",
                    pickle)
                + String.format(
                    Locale.ROOT,
                    " weights_only=True).items()}, '%s', metadata={'format': 'pt'})",
                    file.getFileName()));
      }
    }
    throw new NoSuchFileException(
        file.toString(), null, "expected the adapter's tensors, found nothing");
  }
}
