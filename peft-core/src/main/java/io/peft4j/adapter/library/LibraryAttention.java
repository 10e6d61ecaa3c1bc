package io.peft4j.adapter.library;

import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.prompt.TrainedLinear;
import io.peft4j.model.Model;
import io.peft4j.model.family.AttentionNames;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import io.peft4j.model.module.Linear;
import java.util.List;
import java.util.Locale;

/** The parts of a model's attention, by the names that the adapters library has for them. */
record LibraryAttention(AttentionNames names) {

  /**
   * @throws IllegalArgumentException if the library's names are not known for the family
   */
  static LibraryAttention of(Model model) {
    String type = model.config().modelType();
    Family family = Families.find(type);
    AttentionNames names = family == null ? null : family.attention();
    if (names == null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "not supported for model_type %s; supported: %s",
              type,
              Families.all().stream()
                  .filter(known -> known.attention() != null)
                  .map(Family::modelType)
                  .toList()));
    }
    return new LibraryAttention(names);
  }

  /** {@return what the library keeps prefixes under} */
  String prefix() {
    return names.prefix();
  }

  /**
   * {@return one projection of each layer, in order}
   *
   * @param which {@code q}, {@code k} or {@code v}
   */
  List<Linear> each(Model model, String which) {
    String name = "." + names.projections().get("qkv".indexOf(which));
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
