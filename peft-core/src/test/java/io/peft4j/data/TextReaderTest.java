package io.peft4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextReaderTest {
  @TempDir Path folder;

  private Path file(String name, String content) throws IOException {
    return Files.write(folder.resolve(name), content.getBytes(StandardCharsets.UTF_8));
  }

  private List<Example> read(String name, String content) throws IOException {
    return TextReader.read(file(name, content), TextFormat.DEFAULT);
  }

  private void assertFails(int line, String problem, Path file, TextFormat format) {
    DataException e = assertThrows(DataException.class, () -> TextReader.read(file, format));
    assertEquals(line, e.line(), e.getMessage());
    String start = file + (line > 0 ? ":" + line : "") + ": ";
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
    assertTrue(e.getMessage().contains(problem), e.getMessage());
  }

  private void assertFails(int line, String problem, String name, String content)
      throws IOException {
    assertFails(line, problem, file(name, content), TextFormat.DEFAULT);
  }

  @Test
  void csvKeepsQuotedLineBreaksAndPhysicalLines() throws IOException {
    assertEquals(
        List.of(
            new Example("one, \"two\"\nthree", null, "a", 2),
            new Example("plain ", null, "b", 4),
            new Example("last", null, "c", 7)),
        read(
            "a.csv",
            "text,label\r\n\"one, \"\"two\"\"\nthree\",a\r\nplain , b \r\n\r\n\r\nlast,c"));
  }

  @Test
  void columnsMayStandInAnyOrderAndCase() throws IOException {
    assertEquals(
        List.of(new Example("first", "second", "1", 2)),
        read("a.csv", "\uFEFFid,Label,Sentence2,Sentence1\n9,1,second,first\n"));
    assertEquals(
        List.of(new Example("q", "c", "yes", 2)),
        TextReader.read(
            file("b.csv", "question,context,answer,text\nq,c,yes,no\n"),
            TextFormat.DEFAULT.withColumns("question", "context", "answer")));
  }

  @Test
  void tsvTakesQuotesAsTheyAreUnlessTold() throws IOException {
    String content = "sentence\tlabel\n\"quoted\" and 'more\t1\na \"b\t0\n";
    assertEquals(
        List.of(
            new Example("\"quoted\" and 'more", null, "1", 2), new Example("a \"b", null, "0", 3)),
        read("a.tsv", content));
    assertEquals(
        List.of(new Example("has\ttab", null, "1", 2)),
        TextReader.read(
            file("b.tsv", "text\tlabel\n\"has\ttab\"\t1\n"),
            TextFormat.DEFAULT.withKind(TextFormat.Kind.TSV_QUOTED)));
  }

  @Test
  void txtHasNoHeaderAndLabelFilesPutTheLabelFirst() throws IOException {
    assertEquals(
        List.of(new Example("So good.  ", null, "1", 1), new Example("So bad.", null, "0", 2)),
        read("a.txt", "So good.  \t1\nSo bad.\t0\n"));
    assertEquals(
        List.of(new Example("1", null, "So good", 1)),
        TextReader.read(
            file("b.csv", "So good,1\n"), TextFormat.DEFAULT.withoutHeader("label", "text")));
    Path latin = folder.resolve("c.label");
    Files.write(latin, "ENTY:food What is caf\u00e9 ?\n".getBytes(StandardCharsets.ISO_8859_1));
    assertEquals(
        List.of(new Example("What is caf\u00e9 ?", null, "ENTY:food", 1)),
        TextReader.read(latin, TextFormat.DEFAULT.withCharset(StandardCharsets.ISO_8859_1)));
    assertFails(1, "byte 0xE9 at offset 21 is not valid UTF-8", latin, TextFormat.DEFAULT);
  }

  @Test
  void jsonLinesTakeStringsNumbersAndArraysAsLabels() throws IOException {
    assertEquals(
        List.of(
            new Example("a", null, "x", 1),
            new Example("b", "pair", "2", 3),
            new Example("c", null, "[\"x\",\"y, z\"]", 4),
            new Example("d", null, "0.5", 5)),
        read(
            "a.jsonl",
            "{\"text\":\"a\",\"text_pair\":null,\"label\":\"x\"}\n\n"
                + "{\"label\":2,\"text\":\"b\",\"text_pair\":\"pair\"}\r\n"
                + "{\"text\":\"c\",\"label\":[\"x\",\"y, z\"]}\n"
                + "{\"text\":\"d\",\"label\":0.5,\"extra\":{}}"));
  }

  @Test
  void labelsMayBeAbsentWhereNotRequired() throws IOException {
    TextFormat format = TextFormat.DEFAULT.unlabelled();
    assertEquals(
        List.of(new Example("a", null, null, 1), new Example("b", null, null, 2)),
        TextReader.read(file("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n"), format));
    assertEquals(
        List.of(new Example("a", null, "1", 2)),
        TextReader.read(file("a.csv", "text,label\na,1\n"), format));
  }

  @Test
  void emptyTextIsAnErrorSkippedOrKept() throws IOException {
    Path file = file("a.tsv", "text\tlabel\na\t1\n \t0\n");
    assertFails(3, "the text is empty", file, TextFormat.DEFAULT);
    assertEquals(
        1,
        TextReader.read(file, TextFormat.DEFAULT.withEmptyText(TextFormat.EmptyText.SKIP)).size());
    assertEquals(
        2,
        TextReader.read(file, TextFormat.DEFAULT.withEmptyText(TextFormat.EmptyText.KEEP)).size());
  }

  @Test
  void everyFaultNamesFileAndLine() throws IOException {
    assertFails(0, "holds no rows", "empty.csv", "");
    assertFails(0, "holds no rows", "header.csv", "text,label\n");
    assertFails(0, "holds no rows", "empty.jsonl", "\n\n");
    assertFails(0, "cannot tell its format", "a.dat", "x");
    assertFails(1, "no text column", "notext.csv", "words,label\na,1\n");
    assertFails(1, "no label column", "nolabel.csv", "text,mark\na,1\n");
    assertFails(1, "occurs twice", "twice.csv", "text,label,text\na,1,b\n");
    assertFails(
        1,
        "no column 'answer'; the columns are [text, label]",
        file("named.csv", "text,label\na,1\n"),
        TextFormat.DEFAULT.withColumns(null, null, "answer"));
    assertFails(
        5,
        "expected 2 fields [text, label], found 3",
        "ragged.csv",
        "text,label\n\"a\nb\",1\n\nx,y,1\n");
    assertFails(3, "found 1", "short.tsv", "text\tlabel\na\t1\nno tab\n");
    assertFails(3, "malformed row", "open.csv", "text,label\na,1\n\"never\nclosed,1\nb,0\n");
    assertFails(4, "malformed row", "after.csv", "text,label\na,1\n\n\"x\" y,1\n");
    assertFails(1, "malformed row", "first.csv", "\"text,label\na,1\n");
    assertFails(2, "expected a label, a space", "a.label", "A b\nword\n");
    assertFails(2, "malformed JSON", "cut.jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\n");
    assertFails(1, "malformed JSON", "two.jsonl", "{\"text\":\"a\",\"label\":1}{\"text\":\"a\"}\n");
    assertFails(1, "malformed JSON", "dup.jsonl", "{\"text\":\"a\",\"text\":\"b\",\"label\":1}\n");
    assertFails(1, "expected one JSON object a line, found an empty array", "array.jsonl", "[]\n");
    assertFails(1, "'text' should be a string", "number.jsonl", "{\"text\":1,\"label\":1}\n");
    assertFails(
        1, "should be a string, number or array", "o.jsonl", "{\"text\":\"\",\"label\":{}}");
    assertFails(2, "no 'label'", "gap.jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\"}\n");
  }

  @Test
  void malformedBytesNameLineAndOffset() throws IOException {
    Path file = folder.resolve("a.csv");
    byte[] bytes = "text,label\r\nfine,1\r\nbroXken,0\r\n".getBytes(StandardCharsets.US_ASCII);
    bytes[23] = (byte) 0xC3;
    Files.write(file, bytes);
    assertFails(3, "byte 0xC3 at offset 23 is not valid UTF-8", file, TextFormat.DEFAULT);
    Files.write(file, new byte[] {'t', (byte) 0xE2, (byte) 0x82});
    assertFails(1, "offset 1", file, TextFormat.DEFAULT);
  }

  @Test
  void absentFileIsNamed() {
    Path absent = folder.resolve("absent.csv");
    IOException e =
        assertThrows(NoSuchFileException.class, () -> TextReader.read(absent, TextFormat.DEFAULT));
    assertTrue(e.getMessage().contains(absent.toString()), e.getMessage());
  }
}
