package io.peft4j.data;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * Texts, completions and conversations for a causal language model.
 *
 * @param source what messages call the origin, e.g. the file
 * @param examples in the order of the file
 */
public record CausalDataset(String source, List<CausalExample> examples) {

  public CausalDataset {
    examples = List.copyOf(examples);
  }

  /**
   * Reads a file: {@code .jsonl} and {@code .ndjson} hold one JSON object a line, {@code .json} a
   * list of them, {@code .txt}, {@code .text} and {@code .md} one long text.
   *
   * <p>An object is one of {@code {"text"}}, {@code {"prompt", "completion"}} (texts, or lists of
   * messages), {@code {"messages": [{"role", "content"}]}} (or {@code "conversations"}, also with
   * {@code from} and {@code value}), {@code {"instruction", "input", "output"}} or {@code
   * {"instruction", "instances": [{"input", "output"}]}}. A key that is not used is named in a
   * warning, once with the number of rows that have it.
   *
   * @param charset its encoding; bytes that are malformed in it are an error
   * @throws DataException if the content is something else; the message names file, line and key
   * @throws IOException if the file cannot be read
   */
  public static CausalDataset read(Path file, Charset charset) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new NoSuchFileException(
          file.toString(), null, Files.exists(file) ? "not a file" : "no such data file");
    }
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    String extension = name.substring(name.lastIndexOf('.') + 1);
    SourceText source = SourceText.read(file, charset);
    List<CausalExample> examples =
        switch (extension) {
          case "jsonl", "ndjson" -> CausalJson.readLines(file, source);
          case "json" -> CausalJson.readList(file, source);
          case "txt", "text", "md" -> List.of(new CausalExample.Text(source.content(), true, 1));
          default ->
              throw new DataException(
                  file,
                  0,
                  "cannot tell its format from the name; .jsonl, .ndjson, .json, .txt, .text and"
                      + " .md are known");
        };
    if (examples.isEmpty() || (extension.endsWith("t") && source.content().isBlank())) {
      throw new DataException(file, 0, "holds no examples");
    }
    return new CausalDataset(file.toString(), examples);
  }

  /** {@return an exception about an example of this} */
  public DataException problem(CausalExample example, String problem) {
    return new DataException(source, example.line(), problem);
  }

  public int size() {
    return examples.size();
  }
}
