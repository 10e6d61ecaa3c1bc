package io.peft4j.cli;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.method.AdapterConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Option;

/** Which adapter a benchmark trains. */
final class BenchAdapter {

  @Option(
      names = "--adapter-config",
      paramLabel = "DIR",
      description =
          "Folder with the adapter_config.json of what to train, or with the mix.json and folders of"
              + " a mix. Default: LoRA.")
  private Path folder;

  /**
   * Adds what is to be trained.
   *
   * @param lora what to train if nothing else is said
   */
  AdapterMix add(AdaptedModel model, AdapterConfig lora, long seed) throws IOException {
    Map<String, AdapterConfig> configs = new LinkedHashMap<>();
    if (folder == null) {
      configs.put("default", lora);
    } else {
      for (Path part : AdapterMix.folders(folder)) {
        configs.put(part.getFileName().toString(), AdapterFiles.readConfig(part));
      }
    }
    return AdapterMix.add(model, configs, seed);
  }
}
