package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is printed, by JVMs of other charsets and languages. */
class CharsetsTest {

  private static final String MODEL =
      Path.of("../peft-core/src/test/resources/golden/causal/llama").toString();

  private static final List<String> EGYPT =
      List.of("-Duser.language=ar", "-Duser.country=EG", "-Duser.extensions=u-nu-arab");
  private static final List<String> TURKEY = List.of("-Duser.language=tr", "-Duser.country=TR");

  private static byte[] printed(String charset, List<String> options, String... more)
      throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Dfile.encoding=" + charset);
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Peft.class.getName()));
    command.addAll(List.of("generate", "--model", MODEL, "--prompt", "Rinse"));
    command.addAll(List.of("--max-new-tokens", "5"));
    command.addAll(List.of(more));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.redirectError(ProcessBuilder.Redirect.INHERIT);
    builder.environment().put("OMP_NUM_THREADS", "1");
    Process process = builder.start();
    byte[] bytes = process.getInputStream().readAllBytes();
    assertEquals(0, process.waitFor());
    return bytes;
  }

  /** The model of random weights answers in bytes that are no characters: U+FFFD. */
  @Test
  void jsonIsUtf8() throws Exception {
    byte[] expected = printed("UTF-8", List.of(), "--json");
    String text = new String(expected, StandardCharsets.UTF_8);
    assertTrue(text.contains("\uFFFD"), text);
    assertArrayEquals(expected, printed("ISO-8859-1", EGYPT, "--json"));
    assertArrayEquals(expected, printed("US-ASCII", TURKEY, "--json"));
  }

  /** Which is what LC_ALL=C means. */
  @Test
  void asciiIsWidenedToUtf8() throws Exception {
    assertArrayEquals(printed("UTF-8", List.of()), printed("US-ASCII", EGYPT));
  }
}
