package io.peft4j.train.optimizer;

import io.peft4j.io.Services;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The optimizers there are, by name. */
public final class Optimizers {

  /** The library's own, which are there where a fat jar has lost its entries of services, too. */
  private static final List<Optimizer.Provider> OWN = List.of(new AdamW.Provider());

  private Optimizers() {}

  /**
   * {@return what makes the optimizer of that name}
   *
   * @throws IllegalArgumentException if nothing on the class path does; the message has the names
   *     there are
   */
  public static Optimizer.Provider named(String optim) {
    Map<String, Optimizer.Provider> known = new LinkedHashMap<>();
    OWN.forEach(provider -> add(provider, known));
    Services.load(Optimizer.Provider.class).forEach(provider -> add(provider, known));
    Optimizer.Provider found = known.get(optim);
    if (found == null) {
      throw new IllegalArgumentException(
          "optim: expected one of " + known.keySet() + ", found " + optim);
    }
    return found;
  }

  private static void add(Optimizer.Provider provider, Map<String, Optimizer.Provider> known) {
    provider.names().forEach(name -> known.putIfAbsent(name, provider));
  }
}
