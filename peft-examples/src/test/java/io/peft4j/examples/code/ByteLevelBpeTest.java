package io.peft4j.examples.code;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ByteLevelBpeTest {

  @TempDir private Path folder;

  @Test
  void huggingFacesLibraryReadsIt() throws IOException {
    List<String> texts =
        List.of("for (int i = 0; i < size; i++) {\n    total += sizes[i];\n}\n".repeat(20));
    ByteLevelBpe bpe = ByteLevelBpe.train(texts, 290);
    assertEquals(290, bpe.size());
    bpe.write(folder);
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, bpe.size())) {
      for (String text : List.of(texts.get(0), "Ünïcode 你 \uD83D\uDE00\t\r\n \u0000", " a  b ")) {
        assertEquals(text, tokenizer.decode(tokenizer.encode(text)));
      }
      assertTrue(tokenizer.encode(" total").length < 6, "merged");
      assertEquals(0, tokenizer.endOfText().orElseThrow());
    }
  }

  /** In "ab ab ab cd cd", a+b comes first, then " "+ab. */
  @Test
  void theMostFrequentPairIsMergedFirst() throws IOException {
    ByteLevelBpe.train(List.of("ab ab ab cd cd"), 259).write(folder);
    String json = Files.readString(folder.resolve("tokenizer.json"));
    assertTrue(json.contains("\"merges\":[[\"a\",\"b\"],[\"Ġ\",\"ab\"]]"), json);
    try (CausalTokenizer tokenizer = CausalTokenizer.load(folder, 259)) {
      assertArrayEquals(new int[] {257, 258, 258}, tokenizer.encode("ab ab ab"));
    }
  }

  @Test
  void blockCommentsAreDropped() {
    assertEquals(
        "class A {\n\n    String s = \"/* kept */\"; // kept\n    char c = '\"';\n}\n",
        JavaSources.withoutComments(
            "/* licence */\nclass A {\n  /** Javadoc\n   * more */\n\n"
                + "    String s = \"/* kept */\"; // kept\n    char c = '\"'; /* gone */\n}\n"));
  }
}
