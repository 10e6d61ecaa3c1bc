package io.peft4j.examples.cli;

import io.peft4j.adapter.LoraConfig;
import io.peft4j.adapter.LoraInit;
import io.peft4j.adapter.ModuleSelector;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** How a new LoRA adapter looks; the names are those of {@code peft.LoraConfig}. */
final class LoraOptions {

  @Option(
      names = {"--r", "--rank"},
      defaultValue = "8",
      description = "Rank. Default: ${DEFAULT-VALUE}.")
  private int r;

  @Option(
      names = {"--lora-alpha", "--lora_alpha"},
      defaultValue = "16",
      description = "Scaling is alpha / r. Default: ${DEFAULT-VALUE}.")
  private double loraAlpha;

  @Option(
      names = {"--lora-dropout", "--lora_dropout"},
      defaultValue = "0",
      description = "Dropout before the first factor. Default: ${DEFAULT-VALUE}.")
  private double loraDropout;

  @Option(
      names = {"--target-modules", "--target_modules"},
      split = ",",
      description =
          "Names or ends of names of the modules to adapt, or all-linear. Default: by family.")
  private List<String> targetModules;

  @Option(
      names = {"--target-regex", "--target_regex"},
      description = "A regular expression for the names of the modules to adapt, instead.")
  private String targetRegex;

  @Option(
      names = {"--exclude-modules", "--exclude_modules"},
      split = ",",
      description = "Modules not to adapt, although targeted.")
  private List<String> excludeModules;

  @Option(
      names = {"--modules-to-save", "--modules_to_save"},
      split = ",",
      description = "Modules to train and save in full, beside the classifier.")
  private List<String> modulesToSave;

  @Option(
      names = "--bias",
      defaultValue = "NONE",
      description = "Biases to train: none, all, lora_only.")
  private LoraConfig.Bias bias;

  @Option(
      names = {"--layers-to-transform", "--layers_to_transform"},
      split = ",",
      description = "Numbers of the layers to adapt. Default: all.")
  private List<Integer> layersToTransform;

  @Option(
      names = {"--layers-pattern", "--layers_pattern"},
      split = ",",
      description = "Names of the lists the layers are numbered in.")
  private List<String> layersPattern;

  @Option(
      names = {"--rank-pattern", "--rank_pattern"},
      split = ",",
      description = "Ranks for single modules, as NAME=RANK.")
  private Map<String, Integer> rankPattern = Map.of();

  @Option(
      names = {"--alpha-pattern", "--alpha_pattern"},
      split = ",",
      description = "Alphas for single modules, as NAME=ALPHA.")
  private Map<String, Double> alphaPattern = Map.of();

  @Option(
      names = {"--use-rslora", "--use_rslora"},
      description = "Rank-stabilized scaling, alpha / sqrt(r).")
  private boolean useRslora;

  @Option(
      names = {"--use-dora", "--use_dora"},
      description = "Weight-decomposed adaptation.")
  private boolean useDora;

  @Option(
      names = {"--init-lora-weights", "--init_lora_weights"},
      defaultValue = "DEFAULT",
      description = "default, gaussian, pissa, olora or random.")
  private LoraInit init;

  @Option(
      names = {"--lora-bias", "--lora_bias"},
      description = "Give the second factor a bias.")
  private boolean loraBias;

  LoraConfig config(String taskType, String baseModel) {
    return LoraConfig.builder()
        .r(r)
        .loraAlpha(loraAlpha)
        .loraDropout(loraDropout)
        .targetModules(targets())
        .excludeModules(excludeModules == null ? null : new ModuleSelector(excludeModules, null))
        .modulesToSave(modulesToSave)
        .bias(bias)
        .layersToTransform(layersToTransform)
        .layersPattern(layersPattern)
        .rankPattern(rankPattern)
        .alphaPattern(alphaPattern)
        .useRslora(useRslora)
        .useDora(useDora)
        .init(init)
        .loraBias(loraBias)
        .taskType(taskType)
        .baseModel(baseModel)
        .build();
  }

  /** {@return what is to be adapted, or null for the default} */
  ModuleSelector targets() {
    if (targetRegex != null) {
      return ModuleSelector.regex(targetRegex);
    }
    if (targetModules == null) {
      return null;
    }
    return targetModules.size() == 1
            && targetModules.get(0).equalsIgnoreCase(ModuleSelector.ALL_LINEAR)
        ? ModuleSelector.allLinear()
        : new ModuleSelector(targetModules, null);
  }
}
