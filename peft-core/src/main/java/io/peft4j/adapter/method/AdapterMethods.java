package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.ServiceLoader;

/** The methods there are: those that {@link ServiceLoader} finds, in the order it finds them. */
public final class AdapterMethods {

  private static final List<AdapterMethod> ALL =
      ServiceLoader.load(AdapterMethod.class, AdapterMethods.class.getClassLoader()).stream()
          .map(ServiceLoader.Provider::get)
          .toList();

  private AdapterMethods() {}

  /**
   * {@return the method that a document is a config of}
   *
   * @throws IllegalArgumentException if there is none
   */
  public static AdapterMethod of(ObjectNode json) {
    for (AdapterMethod method : ALL) {
      if (method.recognizes(json)) {
        return method;
      }
    }
    if (!json.path("peft_type").isTextual()) {
      throw new IllegalArgumentException("expected an object with a 'peft_type'");
    }
    return named(json.get("peft_type").asText());
  }

  /** {@return the names of the files that may say what an adapter is} */
  public static List<String> documents() {
    return ALL.stream().map(AdapterMethod::document).distinct().toList();
  }

  /** {@return the values of {@code peft_type} that there are methods for} */
  static List<String> names() {
    return ALL.stream().map(AdapterMethod::peftType).toList();
  }

  /**
   * @throws IllegalArgumentException if there is none of that type
   */
  public static AdapterMethod named(String peftType) {
    for (AdapterMethod method : ALL) {
      if (method.peftType().equals(peftType)) {
        return method;
      }
    }
    throw new IllegalArgumentException(
        "peft_type " + peftType + " is not supported; supported: " + names());
  }
}
