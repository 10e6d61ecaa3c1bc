package io.peft4j.cli;

import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Devices;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which model to run, and how. */
@Heading("Model")
final class ModelOptions extends BaseOption {

  @Option(
      names = "--bf16",
      negatable = true,
      fallbackValue = "true",
      description = "Compute in bfloat16. Default: only with --method qlora.")
  private Boolean bf16;

  @Mixin private QuantizationOptions quantization;

  @Option(
      names = "--stream-layers",
      description =
          "Map each layer's weights while it runs and unmap them after, for models larger than"
              + " memory.")
  private boolean streamLayers;

  @Option(
      names = "--device",
      defaultValue = "cpu",
      description =
          "cpu, cuda, cuda:N, or auto: the first GPU if there is one that can be used."
              + " Default: ${DEFAULT-VALUE}.")
  private String device;

  @Override
  Path locate() throws IOException {
    Path folder = super.locate();
    quantization.checkAgainst(folder);
    return folder;
  }

  LoadOptions loadOptions() {
    return loadOptions(false);
  }

  /**
   * {@return how to load the model}
   *
   * @param qlora whether to do what QLoRA does where nothing else is said: NF4 with double
   *     quantization, in bfloat16
   */
  LoadOptions loadOptions(boolean qlora) {
    boolean half = bf16 == null ? qlora : bf16;
    return LoadOptions.DEFAULT
        .withPrecision(half ? Precision.BFLOAT16 : Precision.FLOAT32)
        .withFormat(quantization.format(qlora))
        .withStreaming(streamLayers)
        .withDevice(Devices.named(device));
  }
}
