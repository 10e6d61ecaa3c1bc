package io.peft4j.cli;

import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.target.ModuleSelector;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** How a new LoRA adapter looks; the names are those of {@code peft.LoraConfig}. */
@Heading("Settings of the method")
final class LoraOptions {

  @MethodKey(
      value = "r",
      except = "adalora",
      instead = "set init_r and target_r with --method-config")
  @Option(
      names = {"--r", "--rank"},
      description = "Rank. Default: 8; with --method qlora 32; of other methods their own.")
  private Integer r;

  @MethodKey({"lora_alpha", "alpha"})
  @Option(
      names = {"--lora-alpha", "--lora_alpha"},
      description = "Scaling is alpha / r. Default: 16; of other methods than LoRA their own.")
  private Double loraAlpha;

  @MethodKey(
      value = {"lora_dropout", "vera_dropout", "dropout"},
      except = {"bottleneck", "gated-prefix"})
  @Option(
      names = {"--lora-dropout", "--lora_dropout"},
      description = "Dropout before the first factor. Default: 0.")
  private Double loraDropout;

  @AppliesTo(unless = "--target-regex")
  @MethodKey("target_modules")
  @Option(
      names = {"--target-modules", "--target_modules"},
      split = ",",
      description =
          "Names or ends of names of the modules to adapt, or all-linear. Default: by family; with"
              + " --method qlora all-linear.")
  private List<String> targetModules;

  @MethodKey("target_modules")
  @Option(
      names = {"--target-regex", "--target_regex"},
      description = "A regular expression for the names of the modules to adapt, instead.")
  private String targetRegex;

  @MethodKey("exclude_modules")
  @Option(
      names = {"--exclude-modules", "--exclude_modules"},
      split = ",",
      description = "Modules not to adapt, although targeted.")
  private List<String> excludeModules;

  @MethodKey("modules_to_save")
  @Option(
      names = {"--modules-to-save", "--modules_to_save"},
      split = ",",
      description = "Modules to train and save in full, beside the classifier.")
  private List<String> modulesToSave;

  @MethodKey(
      value = "bias",
      except = {"adalora", "vera"},
      instead = "add bitfit")
  @Option(names = "--bias", description = "Biases to train: none, all, lora_only. Default: none.")
  private LoraConfig.Bias bias;

  @MethodKey("layers_to_transform")
  @Option(
      names = {"--layers-to-transform", "--layers_to_transform"},
      split = ",",
      description = "Numbers of the layers to adapt. Default: all.")
  private List<Integer> layersToTransform;

  @AppliesTo(needs = "--layers-to-transform")
  @MethodKey("layers_pattern")
  @Option(
      names = {"--layers-pattern", "--layers_pattern"},
      split = ",",
      description = "Names of the lists the layers are numbered in.")
  private List<String> layersPattern;

  @MethodKey(value = "rank_pattern", except = "adalora")
  @Option(
      names = {"--rank-pattern", "--rank_pattern"},
      split = ",",
      description = "Ranks for single modules, as NAME=RANK.")
  private Map<String, Integer> rankPattern;

  @MethodKey("alpha_pattern")
  @Option(
      names = {"--alpha-pattern", "--alpha_pattern"},
      split = ",",
      description = "Alphas for single modules, as NAME=ALPHA.")
  private Map<String, Double> alphaPattern;

  @MethodKey(value = "use_rslora", except = "adalora")
  @Option(
      names = {"--use-rslora", "--use_rslora"},
      description = "Rank-stabilized scaling, alpha / sqrt(r).")
  private boolean useRslora;

  @MethodKey(
      value = "use_dora",
      except = {"adalora", "gated-lora"})
  @Option(
      names = {"--use-dora", "--use_dora"},
      description = "Weight-decomposed adaptation.")
  private boolean useDora;

  @MethodKey(value = "init_lora_weights", except = "adalora")
  @Option(
      names = {"--init-lora-weights", "--init_lora_weights"},
      description = "default, gaussian, pissa, olora, random, or loftq on a base quantized here.")
  private LoraInit init;

  @MethodKey("lora_bias")
  @Option(
      names = {"--lora-bias", "--lora_bias"},
      description = "Give the second factor a bias.")
  private boolean loraBias;

  /**
   * {@return what is not said otherwise of a new LoRA adapter}
   *
   * @param qlora whether that is rank 32 on all linear layers
   */
  static LoraConfig defaults(boolean qlora) {
    return LoraConfig.builder()
        .r(qlora ? 32 : 8)
        .loraAlpha(16)
        .targetModules(qlora ? ModuleSelector.allLinear() : null)
        .build();
  }
}
