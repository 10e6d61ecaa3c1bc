package io.peft4j.adapter.method;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.Services;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;

/**
 * The methods there are: those that {@link ServiceLoader} finds beside this library, and then with
 * the class loader of the thread that asks first, in the order it finds them.
 */
public final class AdapterMethods {

  private static final List<AdapterMethod> ALL = Services.load(AdapterMethod.class);

  private AdapterMethods() {}

  /** {@return all of them} */
  public static List<AdapterMethod> all() {
    return ALL;
  }

  /**
   * {@return the method that a document is a config of}
   *
   * @throws IllegalArgumentException if there is none
   */
  public static AdapterMethod of(ObjectNode json) {
    for (AdapterMethod method : ALL) {
      if (method.recognizes(json)) {
        return named(method.peftType());
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

  /**
   * @throws IllegalArgumentException if there is none of that type
   * @throws IllegalStateException if there are several
   */
  public static AdapterMethod named(String peftType) {
    return named(peftType, ALL);
  }

  static AdapterMethod named(String peftType, List<AdapterMethod> among) {
    List<AdapterMethod> found =
        among.stream().filter(method -> method.peftType().equals(peftType)).toList();
    if (found.size() > 1) {
      throw new IllegalStateException(
          String.format(
              Locale.ROOT,
              "peft_type %s: expected one method, found %s; take one off the class path",
              peftType,
              found.stream().map(method -> method.getClass().getName()).toList()));
    }
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "peft_type "
              + peftType
              + " is not supported; supported: "
              + among.stream().map(AdapterMethod::peftType).toList());
    }
    return found.get(0);
  }
}
