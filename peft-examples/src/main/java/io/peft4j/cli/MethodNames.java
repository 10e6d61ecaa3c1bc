package io.peft4j.cli;

import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.AdapterMethods;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What {@code --method} may be: the {@code peft_type} of every method in lower case, with dashes,
 * and what has a name of its own beside them. Methods of other adapters that are on the model
 * before are known, but not told of.
 */
final class MethodNames implements Iterable<String> {

  /** LoRA on a quantized base, which is the command line's. */
  static final String QLORA = "qlora";

  /** Mixes of methods. */
  static final List<String> MIXES = List.of("mam", "unipelt");

  @Override
  public Iterator<String> iterator() {
    List<String> names = new ArrayList<>();
    for (AdapterMethod method : AdapterMethods.all()) {
      if (!method.composes()) {
        names.add(dashed(method.peftType()));
        method.presets().keySet().forEach(preset -> names.add(dashed(preset)));
      }
    }
    names.add(names.indexOf("lora") + 1, QLORA);
    names.addAll(MIXES);
    return names.iterator();
  }

  /** {@return all of them, for a message} */
  static String told() {
    return String.join(", ", new MethodNames());
  }

  /** {@return the method of a name, if it is one} */
  static Optional<AdapterMethod> method(String name) {
    return AdapterMethods.all().stream()
        .filter(method -> dashed(method.peftType()).equals(name))
        .findFirst();
  }

  /** {@return what a method, or a form of it, has where nothing is said}; none for other names */
  static Optional<AdapterConfig> config(String name) {
    Optional<AdapterConfig> own = method(name).map(AdapterMethod::defaults);
    return own.isPresent()
        ? own
        : AdapterMethods.all().stream()
            .flatMap(method -> method.presets().entrySet().stream())
            .filter(preset -> dashed(preset.getKey()).equals(name))
            .map(Map.Entry::getValue)
            .findFirst();
  }

  private static String dashed(String name) {
    return name.toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
