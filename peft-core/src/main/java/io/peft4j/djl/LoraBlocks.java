package io.peft4j.djl;

import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.util.Pair;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Adds LoRA to networks made of DJL's blocks.
 *
 * <p>A layer's name, for {@code target_modules} and the patterns, is the path of names that DJL
 * gives children, joined by dots: {@code 01Linear} is the first child, {@code 03SequentialBlock
 * .01Linear} the first of a nested block.
 */
public final class LoraBlocks {

  private LoraBlocks() {}

  /**
   * Replaces each linear layer that {@code config} means by a {@link LoraLinear} around it, in
   * place, and freezes all other parameters but the biases and {@code modules_to_save} that the
   * config wants trained. Layers may have their arrays already (a pretrained network) or not. Call
   * it before a trainer is made. (DJL moves the running statistics of a BatchNorm in training,
   * frozen or not.)
   *
   * @param root with linear layers in it or in nested {@link SequentialBlock}s
   * @return the names of the layers replaced
   * @throws IllegalArgumentException if {@code config} names no linear layer, names one inside
   *     another kind of block (whose children DJL gives no way to replace), or asks for what a DJL
   *     block cannot do: DoRA, PiSSA, OLoRA, a bias on B; nothing has then been changed
   */
  public static List<String> add(SequentialBlock root, LoraConfig config) {
    checkSupported(config);
    Map<String, Linear> linears = new LinkedHashMap<>();
    collect(root, "", linears, config, true);
    Map<Block, String> targets = new LinkedHashMap<>();
    linears.forEach(
        (name, linear) -> {
          if (config.adapts(name)) {
            targets.put(linear, name);
          }
        });
    if (targets.isEmpty()) {
      throw new IllegalArgumentException(
          "target_modules "
              + config.targetModules()
              + " names no linear layer of the block; there are "
              + linears.keySet());
    }
    root.freezeParameters(true);
    trainOthers(root, "", config);
    replace(
        root,
        child -> {
          String name = targets.get(child);
          return name == null ? child : adapt((Linear) child, name, config);
        });
    return List.copyOf(targets.values());
  }

  private static void checkSupported(LoraConfig config) {
    if (config.targetModules() == null) {
      throw new IllegalArgumentException("target_modules is missing");
    }
    if (config.useDora() || config.loraBias()) {
      throw new IllegalArgumentException(
          (config.useDora() ? "use_dora" : "lora_bias") + " is not supported for DJL blocks");
    }
    if (config.init() == LoraInit.PISSA
        || config.init() == LoraInit.OLORA
        || config.init().onlyTrained()) {
      throw new IllegalArgumentException(
          "init_lora_weights " + config.init() + " is not supported for DJL blocks");
    }
  }

  private static LoraLinear adapt(Linear linear, String name, LoraConfig config) {
    LoraLinear adapted =
        new LoraLinear(
            linear,
            config.rankOf(name),
            config.scalingOf(name),
            config.loraDropout(),
            config.init());
    if (config.bias() != LoraConfig.Bias.NONE) {
      unfreezeBiases(linear);
    }
    return adapted;
  }

  /**
   * @param replaceable whether {@code block}'s children can be replaced
   */
  private static void collect(
      Block block,
      String path,
      Map<String, Linear> linears,
      LoraConfig config,
      boolean replaceable) {
    for (Pair<String, Block> child : block.getChildren()) {
      String name = path + child.getKey();
      if (child.getValue() instanceof LoraLinear) {
        throw new IllegalArgumentException(name + ": has LoRA already; merge it first");
      }
      if (child.getValue() instanceof Linear linear) {
        if (!replaceable && config.adapts(name)) {
          throw new IllegalArgumentException(
              name
                  + ": cannot be replaced inside a "
                  + block.getClass().getSimpleName()
                  + ", only inside a SequentialBlock; exclude it");
        }
        linears.put(name, linear);
      }
      collect(
          child.getValue(),
          name + ".",
          linears,
          config,
          replaceable && child.getValue() instanceof SequentialBlock);
    }
  }

  private static void trainOthers(Block block, String path, LoraConfig config) {
    if (config.bias() == LoraConfig.Bias.ALL) {
      unfreezeBiases(block);
    }
    for (Pair<String, Block> child : block.getChildren()) {
      String name = path + child.getKey();
      if (config.modulesToSave() != null
          && config.modulesToSave().stream().anyMatch(name::endsWith)) {
        child.getValue().freezeParameters(false);
      }
      trainOthers(child.getValue(), name + ".", config);
    }
  }

  private static void unfreezeBiases(Block block) {
    block.freezeParameters(false, parameter -> parameter.getType() == Parameter.Type.BIAS);
  }

  /** Rebuilds the list of children, the one way in which DJL lets it be changed. */
  private static void replace(SequentialBlock block, UnaryOperator<Block> replacement) {
    List<Block> children = new ArrayList<>(block.getChildren().values());
    children.forEach(child -> block.removeLastBlock());
    for (Block child : children) {
      if (child instanceof SequentialBlock nested) {
        replace(nested, replacement);
      }
      block.add(replacement.apply(child));
    }
  }

  /**
   * Replaces each {@link LoraLinear} by a plain, frozen {@link Linear} that gives the same output,
   * in place; the arrays of what is replaced are freed. Close the trainer first.
   *
   * @return how many were merged
   * @throws ai.djl.nn.UninitializedParameterException if a layer was not initialized
   */
  public static int merge(SequentialBlock root) {
    int[] merged = {0};
    replace(
        root,
        child -> {
          if (child instanceof LoraLinear lora) {
            merged[0]++;
            return lora.merge();
          }
          return child;
        });
    return merged[0];
  }
}
