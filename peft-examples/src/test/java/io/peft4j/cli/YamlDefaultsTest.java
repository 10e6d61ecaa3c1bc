package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** What stands in a {@code --config} file is what the option gets. */
class YamlDefaultsTest {

  @TempDir private Path temp;

  private CommandLine parsed(String command, String yaml, String... more) throws IOException {
    Path file = Files.writeString(temp.resolve("run.yaml"), yaml);
    List<String> arguments = new ArrayList<>(List.of(command, "--config", file.toString()));
    if (command.equals("train")) {
      arguments.addAll(List.of("--model=m", "--data=d", "--output=o"));
    } else {
      arguments.add("--model=m");
    }
    arguments.addAll(List.of(more));
    CommandLine line = Peft.commandLine();
    line.parseArgs(arguments.toArray(String[]::new));
    return line.getSubcommands().get(command);
  }

  private Object value(String command, String option, String yaml) throws IOException {
    return parsed(command, yaml).getCommandSpec().findOption(option).getValue();
  }

  private String refused(String yaml) {
    return assertThrows(ParameterException.class, () -> parsed("train", yaml))
        .getMessage()
        .replaceFirst("^.*run\\.yaml: ", "");
  }

  @Test
  void listsComeElementByElement() throws IOException {
    assertEquals(
        List.of("ZZZ", "park", "a, b"), value("generate", "--stop", "stop: [ZZZ, park, 'a, b']"));
    assertEquals(
        List.of("yes, sir", "\"no\"", "${user}", "$1"),
        value("train", "--labels", "labels:\n- yes, sir\n- '\"no\"'\n- ${user}\n- $1"));
    assertEquals(
        List.of(0, 3), value("train", "--layers-to-transform", "layers_to_transform: [0, 3]"));
    assertEquals(
        Map.of("q_proj", 4, "^a.b$", 8),
        value("train", "--rank-pattern", "rank_pattern: {q_proj: 4, '^a.b$': 8}"));
    assertEquals(
        Map.of("q_proj", 0.5), value("train", "--alpha-pattern", "alpha-pattern: [q_proj=0.5]"));
    assertEquals(Map.of("a", 4, "b", 2), value("train", "--rank-pattern", "rank_pattern: a=4,b=2"));
    assertEquals(List.of("q", "k"), value("train", "--target-modules", "target_modules: q,k"));
    assertEquals(List.of("a,b"), value("generate", "--prompt", "prompt: a,b"));
  }

  @Test
  void commasSeparateOnTheCommandLine() throws IOException {
    Object labels =
        parsed("train", "labels: [x]", "--labels", "a,b", "--labels=\"c,d\",e")
            .getCommandSpec()
            .findOption("--labels")
            .getValue();
    assertEquals(List.of("a", "b", "\"c,d\"", "e"), labels);
  }

  @ParameterizedTest
  @CsvSource({
    "no",
    "yes",
    "on",
    "NULL-ish",
    "0777",
    "1e-4",
    "2001-01-01",
    "0x1F",
    "1_000",
    ".5",
    "12:30:45",
    "True"
  })
  void aLabelIsTheTextThatStandsThere(String label) throws IOException {
    assertEquals(
        List.of(label, "other"), value("train", "--labels", "labels: [" + label + ", other]"));
    assertEquals(label, value("train", "--text-column", "text_column: " + label));
  }

  @Test
  void numbersAndFlags() throws IOException {
    assertEquals(1e-4, value("train", "--learning-rate", "learning_rate: 1e-4"));
    assertEquals(true, value("train", "--use-dora", "use_dora: yes"));
    assertEquals(false, value("train", "--use-dora", "use_dora: off"));
    assertEquals(false, value("train", "--bf16", "bf16: false"));
    assertEquals(true, value("train", "--bf16", "bf16: true"));
    assertEquals(
        "OFF", "" + value("train", "--gradient-checkpointing", "gradient_checkpointing: off"));
    assertEquals("'use_dora': expected true or false, found '2'", refused("use_dora: 2"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"null", "~", ""})
  void nullIsAsIfNotGiven(String nothing) throws IOException {
    assertNull(value("train", "--lora-alpha", "lora_alpha: " + nothing));
    assertNull(value("train", "--labels", "labels: " + nothing));
    assertEquals(8, value("train", "--batch-size", "batch_size: " + nothing));
    assertEquals(List.of("null", "x"), value("train", "--labels", "labels: ['null', x]"));
  }

  @Test
  void whatIsEmptyByDefaultMayBeEmpty() throws IOException {
    assertEquals(List.of(), value("generate", "--stop", "stop: []"));
    assertNull(value("train", "--rank-pattern", "rank_pattern: {}"));
    assertEquals(
        "'labels': expected at least one value, found an empty list", refused("labels: []"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{r: 4, rank: 5}; 'r' and 'rank' are the same option",
        "{lora-alpha: 4, lora_alpha: 5}; 'lora-alpha' and 'lora_alpha' are the same option",
        "{rank: 4, rank: 5}; 'rank' stands there twice",
        "{rank: null, rank: 5}; 'rank' stands there twice",
        "{rank_pattern: {a: 1, a: 2}}; 'rank_pattern': 'a' stands there twice",
        "{labels: {a: 1}}; 'labels': expected a value or a list, found a mapping",
        "{rank: {a: 1}}; 'rank': expected a value, found a mapping",
        "{rank: [4]}; 'rank': expected one value, found a list",
        "{labels: [[a], b]}; 'labels': expected values in it, found a list",
        "{labels: [a, null]}; 'labels': expected values in it, found null",
        "{rank_pattern: {a: {b: 1}}}; 'rank_pattern.a': expected values in it, found a mapping",
        "{lerning_rate: 1}; 'lerning_rate' is no option of train; near: learning_rate",
        "{quux: 1}; 'quux' is no option of train",
        "{config: a.yaml}; 'config' is no option of train",
        "{help: true}; 'help' is no option of train",
        "[rank]; expected a mapping of option names to values",
        "''; expected a mapping of option names to values",
        "{labels: &l [a, b], text_column: *l}; 'text_column': aliases are not supported; write the value",
      })
  void whatIsWrongIsNamed(String yaml, String said) {
    String message = refused(yaml);
    assertTrue(message.startsWith(said), message);
  }

  @Test
  void aSecondDocumentIsRefused() {
    assertEquals(
        "expected one document, found another after it", refused("rank: 4\n---\nrank: 5\n"));
  }
}
