package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine.Model.OptionSpec;

/** Help and completion of the command line. */
class HelpTest {

  @TempDir private Path temp;

  @Test
  void everyOptionOfEveryCommandIsDescribed() {
    List<String> bare = new ArrayList<>();
    Peft.commandLine()
        .getSubcommands()
        .forEach(
            (name, command) -> {
              for (OptionSpec option : command.getCommandSpec().options()) {
                String text = String.join(" ", option.description());
                if (text.replaceFirst("Default: .*", "").isBlank()) {
                  bare.add(name + " " + option.longestName());
                }
              }
            });
    assertEquals(List.of(), bare);
  }

  @Test
  void trainsHelpIsInGroupsWithAnExample() {
    String help = Peft.commandLine().getSubcommands().get("train").getUsageMessage();
    List<String> headings = help.lines().filter(line -> line.matches("[A-Z][A-Za-z ]+:")).toList();
    assertEquals(
        List.of(
            "Model:",
            "Quantization:",
            "Data:",
            "Method:",
            "Settings of the method:",
            "Training:",
            "Options:",
            "Example:"),
        headings);
    assertTrue(help.contains("peft train --model"), help);
    assertTrue(help.contains("--max-steps=<maxSteps>"), help);
    assertTrue(help.contains("Default: 8."), help); // defaults are looked up
    assertFalse(help.contains("max_steps"), help);
    assertFalse(help.contains("${"), help);
    assertTrue(help.lines().allMatch(line -> line.length() <= 80), help);
  }

  @Test
  void bashCompletes() throws Exception {
    Path script = script("bash");
    shell("bash", "-n", script.toString());
    assertEquals(
        List.of("--max-steps", "--max_steps"),
        completions(script, "peft", "train", "--max-s", "--max_s"));
    assertEquals(List.of("quantize"), completions(script, "peft", "quan"));
    assertEquals(shell("bash", "-n", script("zsh").toString()), "");
  }

  @Test
  void fishCompletes() throws Exception {
    String text = Files.readString(script("fish"));
    for (String line :
        List.of(
            "complete -c peft -f",
            "complete -c peft -n __fish_use_subcommand -a merge -d 'Write a checkpoint with adapters"
                + " folded into the weights.'",
            "complete -c peft -n '__fish_seen_subcommand_from train' -l overwrite -d 'Replace a result"
                + " in --output; it is kept until the new one is whole.'",
            "complete -c peft -n '__fish_seen_subcommand_from train' -l config -r -F -d 'YAML file with"
                + " options; flags override it.'",
            "complete -c peft -n '__fish_seen_subcommand_from train' -l non-finite -x -a 'stop skip' -d"
                + " 'What to do about a loss that is no number: stop or skip. Default: stop.'")) {
      assertTrue(text.lines().anyMatch(line::equals), line + "\n" + text);
    }
    assertTrue(text.lines().allMatch(line -> line.matches("#.*|complete -c peft .*")), text);
    boolean there =
        Stream.of(System.getenv("PATH").split(File.pathSeparator))
            .anyMatch(folder -> Files.isExecutable(Path.of(folder, "fish")));
    if (!there) {
      System.out.println("HelpTest: no fish here to parse its script with");
    }
    assumeTrue(there, "no fish");
    shell("fish", "-n", script("fish").toString());
  }

  @Test
  void anotherShellIsRefused() {
    PeftRun run = PeftRun.of("completion", "tcsh");
    assertEquals(2, run.code());
    assertTrue(run.err().contains("SHELL") && run.err().contains("tcsh"), run.err());
  }

  private Path script(String shell) throws IOException {
    return Files.writeString(temp.resolve(shell + ".sh"), PeftRun.good("completion", shell).out());
  }

  /** What the script offers for the words typed after a command; several last ones are tried. */
  private List<String> completions(Path script, String... words) throws Exception {
    List<String> all = new ArrayList<>();
    int fixed = words.length > 3 ? 2 : words.length - 1;
    for (int last = fixed; last < words.length; last++) {
      List<String> typed = new ArrayList<>(List.of(words).subList(0, fixed));
      typed.add(words[last]);
      String line =
          String.format(
              Locale.ROOT,
              "compopt() { :; }; source %s; COMP_WORDS=(%s); COMP_CWORD=%d; _complete_peft; printf '%%s\\n' \"${COMPREPLY[@]}\"",
              script,
              String.join(" ", typed),
              fixed);
      shell("bash", "-c", line).lines().map(String::strip).forEach(all::add);
    }
    return all;
  }

  /** Variables called cmds٠ are no variables to a shell. */
  @Test
  void completionIsTheSameUnderEachLocale() throws Exception {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
    try {
      String script = Files.readString(script("bash"));
      assertTrue(script.chars().allMatch(c -> c < 128), script);
    } finally {
      Locale.setDefault(before);
    }
  }

  private String shell(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), said);
    return said;
  }
}
