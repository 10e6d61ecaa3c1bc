package io.peft4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The known patterns come to an end with the longest runs that are let through. */
class TokenizerPatternTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  private static List<String> texts(int length) {
    List<String> texts = new ArrayList<>();
    for (String part :
        List.of(
            " ", "\n", "\r\n", "a", "A", "aA", "1", ".", "/", "\u00e9", "\u4e00", "\u0301", " a",
            "a ", "' ", "'s", ".\n")) {
      String run = part.repeat(length / part.length());
      texts.add(run);
      texts.add(run + "x");
      texts.add(run + "!");
    }
    return texts;
  }

  private NativeTokenizer tokenizer(String pattern) throws IOException {
    ObjectNode json = JSON.createObjectNode();
    ObjectNode split = json.putObject("pre_tokenizer").put("type", "Split");
    split.putObject("pattern").put("Regex", pattern);
    split.put("behavior", "Isolated").put("invert", false);
    ObjectNode model = json.putObject("model").put("type", "WordLevel").put("unk_token", "[UNK]");
    model.putObject("vocab").put("[UNK]", 0);
    Files.writeString(folder.resolve("tokenizer.json"), json.toString());
    return NativeTokenizer.open(TokenizerDefinition.read(folder), 10);
  }

  @Test
  void closingInUseThrowsOrWaitsItsTurn() throws Exception {
    for (int round = 0; round < 20; round++) {
      NativeTokenizer tokenizer = tokenizer("\\s+");
      Thread closer =
          new Thread(
              () -> {
                for (boolean closed = false; !closed; ) {
                  try {
                    tokenizer.close();
                    closed = true;
                  } catch (IllegalStateException e) {
                    Thread.onSpinWait(); // in use
                  }
                }
              });
      List<Thread> users = new ArrayList<>();
      AtomicInteger wrong = new AtomicInteger();
      for (int t = 0; t < 3; t++) {
        users.add(
            new Thread(
                () -> {
                  try {
                    for (int i = 0; i < 200; i++) {
                      wrong.addAndGet(tokenizer.encode("a b", false).getIds().length - 3);
                    }
                  } catch (IllegalStateException e) {
                    wrong.addAndGet(e.getMessage().contains("closed") ? 0 : 1);
                  }
                }));
      }
      users.forEach(Thread::start);
      closer.start();
      for (Thread user : users) {
        user.join();
      }
      closer.join();
      assertEquals(0, wrong.get());
    }
  }

  @Test
  void knownPatternsEnd() throws IOException {
    longRuns(20_000);
  }

  @Tag("slow")
  @Test
  void knownPatternsEndWithTheLongestRuns() throws IOException {
    longRuns(1_000_000);
  }

  private void longRuns(int length) throws IOException {
    long worst = 0;
    String which = "";
    for (String pattern : TokenizerPattern.known()) {
      try (NativeTokenizer tokenizer = tokenizer(pattern)) {
        for (String text : texts(length)) {
          long start = System.nanoTime();
          tokenizer.encode(text, false);
          long took = System.nanoTime() - start;
          if (took > worst) {
            worst = took;
            which = JSON.writeValueAsString(text.substring(0, 4)) + " by " + pattern;
          }
        }
      }
    }
    System.out.printf(
        Locale.ROOT, "runs of %d: at most %d ms, of %s%n", length, worst / 1_000_000, which);
    assertTrue(worst < 10_000_000_000L, which + " took " + worst + " ns");
  }
}
