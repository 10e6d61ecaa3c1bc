package io.peft4j.text.jinja;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Against what transformers' Jinja renders, see make_templates.py. */
class TemplateTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  static Stream<String> templates() {
    return Stream.of(
        "chatml",
        "headers",
        "inst",
        "turns",
        "thinking",
        "generation",
        "odds",
        "calls",
        "replies",
        "signatures",
        "parts");
  }

  @ParameterizedTest
  @MethodSource("templates")
  void rendersAsTransformersDoes(String name) throws IOException {
    Template template =
        Template.compile(Files.readString(Golden.path("templates/" + name + ".jinja")));
    int compared = 0;
    for (JsonNode golden : Golden.json("templates/golden.json")) {
      if (!golden.get("template").asText().equals(name)) {
        continue;
      }
      Map<String, Object> variables =
          JSON.convertValue(
              golden.get("variables"), new TypeReference<HashMap<String, Object>>() {});
      variables.put("messages", JSON.convertValue(golden.get("messages"), List.class));
      variables.put("add_generation_prompt", golden.get("add_generation_prompt").asBoolean());
      String called = name + " " + golden.get("name");
      if (golden.has("error")) {
        String message =
            assertThrows(TemplateException.class, () -> template.render(variables), called)
                .getMessage();
        assertTrue(message.contains(golden.get("error").asText()), message);
      } else {
        Template.Rendered rendered = template.render(variables);
        assertEquals(golden.get("rendered").asText(), rendered.text(), called);
        JsonNode spans = golden.path("spans");
        for (int i = 0; i < spans.size(); i++) {
          assertArrayEquals(Golden.ints(spans.get(i)), rendered.generated().get(i), called);
        }
      }
      compared++;
    }
    assertTrue(compared >= 8, name + ": " + compared);
  }

  @Test
  void expressionsHaveTheValuesThatJinjaGivesThem() throws IOException {
    for (JsonNode golden : Golden.json("templates/expressions.json")) {
      String expression = golden.get(0).asText();
      String text = Template.compile("{{ " + expression + " }}").render(Map.of()).text();
      assertEquals(golden.get(1).asText(), text, expression);
    }
  }

  @Test
  void theDateIsTheClocks() {
    Clock clock = Clock.fixed(Instant.parse("2026-03-04T05:06:07Z"), ZoneOffset.UTC);
    assertEquals(
        "04 Mar 2026, 100%",
        Template.compile("{{ strftime_now('%d %b %Y, 100%%') }}").render(Map.of(), clock).text());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{% for x in y %}a | line 1: expected",
        "`a\nb {{ 1 + }}` | line 2: expected a value",
        "`{{ 'a' | nofilter }}` | line 1: no filter 'nofilter'",
        "{{ x is nothing }} | line 1: no test 'nothing'",
        "`{# a` | line 1: a comment that does not end",
        "{{ 'a } | line 1: a string that does not end",
        "{% include 'x' %} | line 1: 'include' is not supported in a chat template",
        "{% nonsense %} | line 1: unknown statement 'nonsense'",
        "`\n\n{{ a.b }}` | line 3: 'a' is undefined",
        "{{ 'x' + 1 }} | line 1: '+' of a string and a number",
        "{{ 'x' + u }} | line 1: 'u' is undefined",
        "{{ 1 // 0 }} | line 1: division by zero",
        "{{ {}.update({}) }} | line 1: 'update' would change a value",
        "`{{ u | tojson }}` | line 1: 'tojson' of nothing ('u' is undefined)",
        "`{{ [u] | tojson }}` | line 1: 'tojson' of nothing ('u' is undefined)",
        "`{{ range | tojson }}` | line 1: 'tojson' of a function",
        "`{{ 1 | tojson(sort_keys=true) }}` | line 1: 'tojson' takes ensure_ascii=false and indent",
        "`{{ namespace(a=1) | tojson }}` | line 1: 'tojson' of",
        "{{ range(10000000) }} | line 1: a range of more than",
        "`{% if x %}\n{% endfor %}` | line 2: unknown statement 'endfor'",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }} | nested too deeply"
      })
  void saysWhatIsWrongAndWhere(String source, String problem) {
    String message =
        assertThrows(
                TemplateException.class, () -> Template.compile(source).render(Map.of()), source)
            .getMessage();
    assertTrue(message.startsWith(problem), message);
  }
}
