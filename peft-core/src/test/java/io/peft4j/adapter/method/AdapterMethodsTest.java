package io.peft4j.adapter.method;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class AdapterMethodsTest {

  /** Another one that claims to be (IA)³. */
  private static final class Second extends DocumentMethod {
    Second() {
      super("IA3", "{}");
    }

    @Override
    protected void build(MethodConfig config, AdapterBuilder builder) {}
  }

  @Test
  void twoMethodsOfOneTypeAreNamed() {
    AdapterMethod first = AdapterMethods.named("IA3");
    String message =
        assertThrows(
                IllegalStateException.class,
                () -> AdapterMethods.named("IA3", List.of(first, new Second())))
            .getMessage();
    assertTrue(message.startsWith("peft_type IA3: expected one method, found ["), message);
    assertTrue(message.contains(first.getClass().getName()), message);
    assertTrue(message.contains(Second.class.getName()), message);
  }

  @Test
  void eachIsFoundOnceThroughBothLoaders() {
    List<Class<?>> found = AdapterMethods.all().stream().<Class<?>>map(Object::getClass).toList();
    assertEquals(new HashSet<>(found).size(), found.size());
    assertEquals(
        List.of("LORA", "FULL"),
        AdapterMethods.all().stream()
            .filter(method -> method.getClass().getName().startsWith("io.peft4j.")) // not OFT
            .map(AdapterMethod::peftType)
            .limit(2)
            .toList());
  }

  @Test
  void keysThatDecideSizesAreKeys() {
    for (AdapterMethod method : AdapterMethods.all()) {
      if (method instanceof DocumentMethod document) {
        method.sizeKeys().forEach(key -> assertTrue(document.knows(key), method + ": " + key));
      }
    }
  }
}
