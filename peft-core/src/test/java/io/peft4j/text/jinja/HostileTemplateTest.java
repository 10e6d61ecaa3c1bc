package io.peft4j.text.jinja;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** No template hangs, fills the memory or ends in anything but its own exception. */
class HostileTemplateTest {

  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final Map<String, Object> VARIABLES =
      Map.of(
          "messages",
          List.of(
              Map.of("role", "system", "content", "Be brief."),
              Map.of("role", "user", "content", "hi")),
          "add_generation_prompt",
          true,
          "bos_token",
          "<s>");

  private static String render(String source) {
    return assertTimeoutPreemptively(
        LIMIT, () -> Template.compile(source).render(VARIABLES).text());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n > 0 %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(60) %}"
            + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}"
            + "{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s|length }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}"
            + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}"
            + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
        "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(60) %}"
            + "{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(100000) %}"
            + "{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
        "{{ 'a' * 1000000000 }}",
        "{{ ('a' * 1000000) * 1000000 }}",
        "{{ 'a' * 9999999999999 }}",
        "{{ '%2000000000d' % 1 }}",
        "{{ '%.2000000000f' % 1 }}",
        "{{ '%99999999999999999999s' % 1 }}",
        "{{ '%2000000000d'|format(1) }}",
        "{{ '%-+0 #d' % 1 }}",
        "{{ {'a': {'b': 1}} | tojson(indent=1000000000) }}",
        "{{ 'a\\nb' | indent(2000000000) }}",
        "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}",
        "{{ ('a' * 1000000) | replace('', 'b' * 1000000) }}",
        "{{ ('a' * 1000000).join(range(100000)) }}",
        "{{ range(100000) | join('a' * 1000000) }}",
        "{{ range(-2147483648, 2147483647) }}",
        "{% set s = 'a' * 8000000 %}{% for i in range(100000) %}{{ 'b' in s }}{% endfor %}",
        "{% set s = 'a' * 8000000 %}{% for i in range(100000) %}{{ s.find('b') }}{% endfor %}",
        "{% set s = 'a' * 8000000 %}{% for i in range(100000) %}{{ s | upper | length }}{% endfor %}",
        "{% set s = 'a' * 8000000 %}{% for i in range(100000) %}{{ s == s ~ '' }}{% endfor %}",
        "{{ range(100000) | list | unique | length }}",
        "{{ range() }}",
        "{{ raise_exception() }}",
        "{{ strftime_now() }}",
        "{{ 'a'.startswith() }}",
        "{{ 'a'.join() }}",
        "{{ {}.get() }}",
        "{{ [1] | selectattr }}",
        "{{ 'a' | map }}",
        "{{ 1 is divisibleby 0 }}",
        "{{ 1 % 0 }}",
        "{{ 'a'.split(sep=1) }}",
        "{% for i in [1] %}{{ loop.cycle() }}{% endfor %}",
        "{{ [1, 'a'] | sort }}",
        "{{ 'a'[99999999999999999999] }}",
        "{{ messages | join(attribute='99999999999999999999') }}",
        "{{ '\\U0fffffff' }}"
      })
  void isRefused(String source) {
    TemplateException e = assertThrows(TemplateException.class, () -> render(source));
    assertTrue(e.getMessage() != null && e.getMessage().length() < 300, e.getMessage());
  }

  @Test
  void deepOrLongSourcesAreRefusedOrRead() {
    for (String open : new String[] {"(", "[", "{1:", "not ", "-", "1 if 1 else "}) {
      assertThrows(
          TemplateException.class, () -> render("{{ " + open.repeat(100_000) + "1 }}"), open);
    }
    assertThrows(TemplateException.class, () -> render("{% if 1 %}".repeat(100_000)));
    assertEquals(100_000, render("{{ 1 }}\n".repeat(100_000)).lines().count());
    assertThrows(TemplateException.class, () -> render("{{ 1" + "+1".repeat(200_000) + " }}"));
    assertThrows(TemplateException.class, () -> render("a".repeat(Budget.LONGEST + 1)));
  }

  /** Right values, as Python's jinja2 gives them, where an int would have overflowed. */
  @Test
  void rangesEndWhereTheyShould() {
    assertEquals(
        "2147483600 ",
        render("{% for i in range(2147483600, 2147483647, 48) %}{{ i }} {% endfor %}"));
    assertEquals("1", render("{{ range(2147483640,2147483647,100)|length }}"));
    assertEquals("2", render("{{ range(0,2147483647,2147483646)|length }}"));
    assertEquals("[3]", render("{{ [1,2,3][2::2147483647] }}"));
  }

  /** What a template of a long conversation needs is far from the limits. */
  @Test
  void longConversationsAreRendered() throws IOException {
    List<Map<String, Object>> messages = new ArrayList<>();
    for (int i = 0; i < 4000; i++) {
      messages.add(
          Map.of("role", i % 2 == 0 ? "user" : "assistant", "content", "some words ".repeat(50)));
    }
    for (String name : List.of("chatml", "headers", "turns", "thinking")) {
      Template template =
          Template.compile(Files.readString(Golden.path("templates/" + name + ".jinja")));
      Map<String, Object> variables = new HashMap<>(VARIABLES);
      variables.put("messages", messages);
      variables.put("eos_token", "</s>");
      String text = assertTimeoutPreemptively(LIMIT, () -> template.render(variables).text(), name);
      assertTrue(text.length() > 1_000_000, name + " gave " + text.length());
    }
  }

  @Test
  void mutatedTemplates() throws IOException {
    mutate(3_000, 1);
  }

  @Tag("slow")
  @Test
  void manyMutatedTemplates() throws IOException {
    mutate(60_000, 2);
  }

  private static void mutate(int count, long seed) throws IOException {
    List<String> sources = new ArrayList<>();
    List<Map<String, Object>> variables = new ArrayList<>();
    for (JsonNode golden : Golden.json("templates/golden.json")) {
      Map<String, Object> own =
          JSON.convertValue(
              golden.get("variables"), new TypeReference<HashMap<String, Object>>() {});
      own.put("messages", JSON.convertValue(golden.get("messages"), List.class));
      own.put("add_generation_prompt", golden.get("add_generation_prompt").asBoolean());
      variables.add(own);
      sources.add(
          Files.readString(Golden.path("templates/" + golden.get("template").asText() + ".jinja")));
    }
    Random random = new Random(seed);
    int rendered = 0;
    for (int i = 0; i < count; i++) {
      int which = random.nextInt(sources.size());
      String source = mutated(sources, which, random);
      Map<String, Object> own = variables.get(which);
      try {
        assertTimeoutPreemptively(LIMIT, () -> Template.compile(source).render(own));
        rendered++;
      } catch (TemplateException e) {
        assertTrue(e.getMessage() != null, source);
      } catch (RuntimeException e) {
        throw new AssertionError("a raw exception for: " + source, e);
      }
    }
    System.out.println(count + " mutated templates: " + rendered + " rendered, the others refused");
  }

  private static String mutated(List<String> sources, int which, Random random) {
    StringBuilder text = new StringBuilder(sources.get(which));
    for (int i = random.nextInt(4); i >= 0 && text.length() > 4; i--) {
      int from = random.nextInt(text.length());
      int to = Math.min(text.length(), from + random.nextInt(12));
      String other = sources.get(random.nextInt(sources.size()));
      int at = random.nextInt(other.length());
      String piece = other.substring(at, Math.min(other.length(), at + random.nextInt(30)));
      switch (random.nextInt(5)) {
        case 0 -> text.delete(from, to);
        case 1 -> text.insert(from, piece);
        case 2 -> text.replace(from, to, piece);
        case 3 -> text.insert(from, text.substring(from, to).repeat(1 + random.nextInt(3)));
        default -> text.setCharAt(from, "{}%()[]|'\"0-~.,*".charAt(random.nextInt(16)));
      }
    }
    return text.toString();
  }
}
