package io.peft4j.adapter.library;

import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.prompt.TrainedLinear;
import io.peft4j.model.Model;
import io.peft4j.model.module.Linear;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What the adapters library calls the parts of attention.
 *
 * @param projections of queries, keys and values
 * @param prefix what it keeps prefixes under
 */
record LibraryAttention(List<String> projections, String prefix) {

  private static final Map<String, LibraryAttention> FAMILIES = new LinkedHashMap<>();

  static {
    LibraryAttention bert = new LibraryAttention(List.of("query", "key", "value"), "self_prefix");
    FAMILIES.put("bert", bert);
    FAMILIES.put("roberta", bert);
    FAMILIES.put("distilbert", new LibraryAttention(List.of("q_lin", "k_lin", "v_lin"), "self"));
    FAMILIES.put(
        "llama", new LibraryAttention(List.of("q_proj", "k_proj", "v_proj"), "self_prefix"));
  }

  /**
   * @throws IllegalArgumentException if the family is not known
   */
  static LibraryAttention of(Model model) {
    String type = model.config().modelType();
    LibraryAttention attention = FAMILIES.get(type);
    if (attention == null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "not supported for model_type %s; supported: %s",
              type,
              FAMILIES.keySet()));
    }
    return attention;
  }

  /**
   * {@return one projection of each layer, in order}
   *
   * @param which {@code q}, {@code k} or {@code v}
   */
  List<Linear> each(Model model, String which) {
    String name = "." + projections.get("qkv".indexOf(which));
    return model.modules().leaves().stream()
        .filter(module -> module.name().endsWith(name))
        .map(Linear.class::cast)
        .toList();
  }

  /** {@return a gate as the library starts it, of {@code outputs} numbers} */
  static TrainedLinear gate(AdapterBuilder builder, String name, long outputs, long in) {
    var weights = builder.random(name);
    var biases = builder.random(name + ".bias");
    double bound = 1 / Math.sqrt(in);
    return new TrainedLinear(
        builder.drawn(name + ".weight", () -> 0.02 * weights.nextGaussian(), outputs, in),
        builder.drawn(name + ".bias", () -> (2 * biases.nextDouble() - 1) * bound, outputs));
  }
}
