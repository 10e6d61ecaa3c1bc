package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * Parameters that are updated alike.
 *
 * @param names of the parameters
 * @param rateFactor their rate is the schedule's times this
 * @param weightDecay their decay
 */
record ParameterGroup(List<String> names, double rateFactor, double weightDecay) {

  private static final Pattern NOT_DECAYED =
      Pattern.compile(
          "bias|layernorm|rmsnorm|layer_norm|(^|\\.|_)norm($|\\.)|(^|\\.)ln_\\w+\\.",
          Pattern.CASE_INSENSITIVE);

  private static final Pattern EMBEDDING = Pattern.compile("lora_embedding_[AB]");

  /**
   * The groups of transformers' Trainer, which does not decay biases and norms; with LoRA+ those of
   * peft's {@code create_loraplus_optimizer}, which gives B and all vectors a multiple of the rate,
   * adapted embeddings a rate of their own, and decays all but B's biases and norms.
   */
  static List<ParameterGroup> of(Map<String, NDArray> parameters, TrainingArguments arguments) {
    double decay = arguments.weightDecay();
    double ratio = arguments.loraplusLrRatio();
    if (ratio == 0) {
      return List.of(
          new ParameterGroup(names(parameters, ParameterGroup::decays), 1, decay),
          new ParameterGroup(names(parameters, name -> !decays(name)), 1, 0));
    }
    double rate = arguments.learningRate();
    double embeddingRate = rate == 0 ? 0 : arguments.loraplusLrEmbedding() / rate;
    Predicate<String> embedding = name -> EMBEDDING.matcher(name).find();
    Predicate<String> raised =
        name ->
            !embedding.test(name)
                && (name.contains("lora_B") || parameters.get(name).getShape().dimension() == 1);
    return List.of(
        new ParameterGroup(names(parameters, embedding.or(raised).negate()), 1, decay),
        new ParameterGroup(names(parameters, embedding), embeddingRate, decay),
        new ParameterGroup(names(parameters, raised.and(ParameterGroup::decays)), ratio, decay),
        new ParameterGroup(names(parameters, raised.and(name -> !decays(name))), ratio, 0));
  }

  static boolean decays(String name) {
    return !NOT_DECAYED.matcher(name).find();
  }

  private static List<String> names(Map<String, NDArray> parameters, Predicate<String> wanted) {
    return parameters.keySet().stream().filter(wanted).toList();
  }
}
