package io.peft4j.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PythonFloatTest {
  @ParameterizedTest
  @CsvSource({
    "0.0, 0.0",
    "-0.0, -0.0",
    "1, 1.0",
    "-2.5, -2.5",
    "0.0001, 0.0001",
    "0.00001, 1e-05",
    "1.25e-7, 1.25e-07",
    "123456789012345.0, 123456789012345.0",
    "1e15, 1000000000000000.0",
    "1e16, 1e+16",
    "1.5e300, 1.5e+300",
    "2e-323, 2e-323",
    "2.2250738585072014e-308, 2.2250738585072014e-308",
    "0.30000000000000004, 0.30000000000000004"
  })
  void spellsAsPythonDoes(double value, String text) {
    assertEquals(text, PythonFloat.repr(value));
  }

  @Property
  void readsBackAndIsNoLongerThanJava(@ForAll double value) {
    String text = PythonFloat.repr(value);
    assertEquals(value, Double.parseDouble(text));
    long digits = text.replaceAll("[eE].*", "").chars().filter(Character::isDigit).count();
    assertTrue(digits <= 18, text);
  }
}
