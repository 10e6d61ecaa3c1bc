package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.adapter.AdapterFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class SentimentLoraTest {

  private static final Pattern AFTER =
      Pattern.compile("accuracy after: (\\d\\.\\d+), before: (\\d\\.\\d+)");

  @TempDir private Path folder;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... arguments) {
    CommandLine command = SentimentLora.commandLine();
    command.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return command.execute(arguments);
  }

  @Test
  @Tag("slow")
  void learnsSavesReloadsAndClassifies() throws IOException {
    Path output = folder.resolve("run");
    int code = run("--output", output.toString(), "--cache", folder.toString(), "--epochs", "3");

    assertEquals(0, code, err.toString());
    Matcher after = AFTER.matcher(out.toString());
    assertTrue(after.find(), out.toString());
    double accuracy = Double.parseDouble(after.group(1));
    assertTrue(accuracy > Double.parseDouble(after.group(2)) && accuracy > 0.7, after.group());
    assertTrue(out.toString().contains("gives the same logits"), out.toString());
    assertEquals(
        3,
        Pattern.compile("(?m)^(positive|negative) +[01]\\.")
            .matcher(out.toString())
            .results()
            .count());
    assertTrue(Files.size(output.resolve(AdapterFiles.WEIGHTS)) < 1_000_000);
    assertTrue(Files.exists(output.resolve(AdapterFiles.CONFIG)));
    assertTrue(Files.readString(output.resolve("metrics.jsonl")).contains("eval_accuracy"));
    assertTrue(ImageIO.read(output.resolve("curves.png").toFile()).getWidth() > 0);
  }

  @Test
  void namesTheFileThatIsMissing() {
    assertEquals(1, run("--data", folder.resolve("none.tsv").toString()));
    assertTrue(err.toString().contains("none.tsv: no such data file"), err.toString());
    assertEquals(1, err.toString().lines().count());
  }

  @Test
  void namesTheLineThatIsWrong() throws IOException {
    Path data = folder.resolve("data.tsv");
    Files.writeString(data, "text\tlabel\nfine\tgood\nno label\n");
    assertEquals(1, run("--data", data.toString()));
    assertTrue(err.toString().contains("data.tsv:3:"), err.toString());
  }

  @Test
  void refusesOptionsThatMakeNoSense() {
    assertEquals(2, run("--epochs", "many"));
    assertTrue(err.toString().contains("--epochs"), err.toString());
  }
}
