package io.peft4j.adapter.regex;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import java.time.Duration;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Regular expressions mean what Python's re takes them for, and none takes long. */
class PythonRegexTest {

  private static final JsonNode GOLDEN = Golden.json("python_regex.json");

  /** Where we refuse what Python takes. */
  private static final Set<String> REFUSED =
      Set.of(
          "\\N{BULLET}", // names of characters
          "(?t)a", // a flag without effect
          "\\141"); // characters in octal beyond \0

  private static final String NAME = "model.layers.0.self_attn.q_proj";

  static Stream<Arguments> patterns() {
    return StreamSupport.stream(GOLDEN.get("patterns").spliterator(), false)
        .map(test -> Arguments.of(test.get("pattern").asText(), test));
  }

  @ParameterizedTest(name = "<{0}>")
  @MethodSource("patterns")
  void matchesWhatPythonMatches(String pattern, JsonNode test) {
    if (!test.get("error").isNull() || REFUSED.contains(pattern)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> PythonRegex.compile(pattern))
              .getMessage();
      assertTrue(message.contains("is not a regular expression of Python's: "), message);
      return;
    }
    PythonRegex regex = PythonRegex.compile(pattern);
    StringBuilder found = new StringBuilder();
    GOLDEN.get("texts").forEach(text -> found.append(regex.matches(text.asText()) ? 1 : 0));
    assertEquals(test.get("matches").asText(), found.toString());
  }

  @Test
  void namesWhatItRefuses() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> PythonRegex.compile("a(?i)b"))
            .getMessage();
    assertEquals(
        "'a(?i)b' is not a regular expression of Python's: global flags not at the start of the"
            + " expression at position 1",
        message);
  }

  @Test
  void givesAGroupAtTheStart() {
    PythonRegex regex = PythonRegex.compile(".*?\\.[^.]*\\.(?P<idx>\\d+)\\.");
    assertEquals("12", regex.groupAtStart("model.layers.12.mlp.experts.3.up", "idx"));
    assertEquals(null, regex.groupAtStart("lm_head", "idx"));
  }

  /** Python's own matcher does not end on these. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        ".*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*X",
        "(a|.)*(a|.)*(a|.)*(a|.)*(a|.)*X",
        "(.+)+X",
        "(?:.?){60}X",
        ".*(|){60}X",
        "(?=(.*.*.*.*.*.*.*X))",
        "(?:(?:(?:(?:){1000000}){1000000}){1000000}){1000000}X",
        "(?P<a>.*)(?P<b>.*)(?P<c>.*)(?P<d>.*)(?P<e>.*)(?P=a)(?P=b)(?P=c)(?P=d)(?P=e)X"
      })
  void isBounded(String pattern) {
    assertTimeoutPreemptively(
        Duration.ofSeconds(2),
        () -> {
          try {
            assertEquals(false, PythonRegex.compile(pattern).matches(NAME));
          } catch (IllegalArgumentException e) {
            assertTrue(e.getMessage().contains("takes more than 500000 steps"), e.getMessage());
            assertTrue(e.getMessage().contains(NAME), e.getMessage());
          }
        });
  }

  @Test
  void isBoundedInLengthAndDepth() {
    for (String pattern :
        new String[] {"a".repeat(100_001), "(".repeat(5000) + ")".repeat(5000), "(?:a|b)*"}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> PythonRegex.compile(pattern).matches("ab".repeat(5000)));
    }
    assertTrue(PythonRegex.compile("a*b*").matches("a".repeat(90_000)));
  }
}
