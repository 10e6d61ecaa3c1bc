package io.peft4j.train;

import io.peft4j.adapter.AdapterMix;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Model;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What determines the weights that a run ends with, by name. Two runs of one plan pass through the
 * same states, so a checkpoint serves any run of its plan and no other. What may differ is left
 * out: when to save, how much to recompute, where the optimizer's state is, evaluation's batch
 * size.
 */
final class RunPlan {

  private RunPlan() {}

  static Map<String, String> of(
      Model model,
      AdapterMix mix,
      TrainingArguments arguments,
      int workers,
      TrainingSet data,
      int totalSteps) {
    Map<String, String> plan = new TreeMap<>();
    plan.put("examples", Integer.toString(data.size()));
    plan.put("data", data.fingerprint());
    plan.put("base_sha256", model.fingerprint());
    plan.put("weights", weights(model));
    plan.put("precision", model.precision().name());
    plan.put("steps", Integer.toString(totalSteps));
    plan.put("per_device_train_batch_size", text(arguments.perDeviceTrainBatchSize()));
    plan.put("gradient_accumulation_steps", text(arguments.gradientAccumulationSteps()));
    plan.put("workers", Integer.toString(workers));
    plan.put("group_by_length", text(arguments.groupByLength()));
    plan.put("seed", text(arguments.seed()));
    plan.putAll(arguments.optimizer().plan(arguments));
    plan.put("learning_rate", text(arguments.learningRate()));
    plan.put("lr_scheduler_type", arguments.lrSchedulerType().name());
    plan.put("warmup_steps", text(arguments.warmupStepsOf(totalSteps)));
    plan.put("weight_decay", text(arguments.weightDecay()));
    if (arguments.loraplusLrRatio() > 0) {
      plan.put("loraplus_lr_ratio", text(arguments.loraplusLrRatio()));
      plan.put("loraplus_lr_embedding", text(arguments.loraplusLrEmbedding()));
    }
    arguments.computeLossFunc().ifPresent(loss -> plan.put("compute_loss_func", loss.name()));
    plan.put("max_grad_norm", text(arguments.maxGradNorm()));
    plan.put("load_best_model_at_end", text(arguments.loadBestModelAtEnd()));
    plan.put("metric_for_best_model", arguments.metricForBestModel());
    boolean one = mix.adapters().size() == 1;
    mix.adapters()
        .forEach((name, adapter) -> describe("adapter " + (one ? "" : name + "."), adapter, plan));
    return plan;
  }

  /** {@return how the weights of linear modules are kept, and how many so} */
  private static String weights(Model model) {
    Map<String, Integer> kept = new TreeMap<>();
    for (Module leaf : model.modules().leaves()) {
      if (leaf instanceof Linear linear) {
        kept.merge(linear.projection().storage(), 1, Integer::sum);
      }
    }
    return kept.toString();
  }

  private static void describe(String prefix, Adapter adapter, Map<String, String> plan) {
    adapter
        .config()
        .toJson()
        .properties()
        .forEach(entry -> plan.put(prefix + entry.getKey(), entry.getValue().toString()));
    // Where the base lies, and whether the adapter is only used, do not matter.
    plan.remove(prefix + "base_model_name_or_path");
    plan.remove(prefix + "inference_mode");
  }

  private static String text(Object value) {
    return value.toString();
  }

  /** {@return for people: each name whose values differ, with both} */
  static String differences(Map<String, String> expected, Map<String, String> found) {
    TreeSet<String> names = new TreeSet<>(expected.keySet());
    names.addAll(found.keySet());
    List<String> differences = new ArrayList<>();
    for (String name : names) {
      if (!Objects.equals(expected.get(name), found.get(name))) {
        differences.add(name + " (now " + expected.get(name) + ", then " + found.get(name) + ")");
      }
    }
    return String.join(", ", differences);
  }
}
