package io.peft4j.adapter;

import java.util.List;

/** The methods there are. */
final class AdapterMethods {

  private static final List<AdapterMethod> ALL = List.of(new LoraMethod(), new FullMethod());

  private AdapterMethods() {}

  /**
   * @throws IllegalArgumentException if there is none of that type
   */
  static AdapterMethod named(String peftType) {
    for (AdapterMethod method : ALL) {
      if (method.peftType().equals(peftType)) {
        return method;
      }
    }
    throw new IllegalArgumentException(
        "peft_type "
            + peftType
            + " is not supported; supported: "
            + ALL.stream().map(AdapterMethod::peftType).toList());
  }
}
