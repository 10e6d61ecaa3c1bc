package io.peft4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Reads files of labelled text. */
public final class TextReader {
  private TextReader() {}

  /**
   * The rows of {@code file}, in order; labels are as written, see {@link TextDataset} for their
   * meaning.
   *
   * @throws DataException if the content is not as {@code format} says: a byte that the charset
   *     does not have, bad syntax, a missing column, too few or too many fields, blank text, or no
   *     rows at all
   * @throws IOException if the file cannot be read
   */
  public static List<Example> read(Path file, TextFormat format) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new NoSuchFileException(
          file.toString(), null, Files.exists(file) ? "not a file" : "no such data file");
    }
    TextFormat layout = byExtension(file, format);
    SourceText source = SourceText.read(file, layout.charset());
    List<Example> rows =
        switch (layout.kind()) {
          case CSV -> DelimitedReader.read(file, source, DelimitedReader.CSV, layout);
          case TSV -> DelimitedReader.read(file, source, DelimitedReader.TSV, layout);
          case TSV_QUOTED -> DelimitedReader.read(file, source, DelimitedReader.TSV_QUOTED, layout);
          case LABEL_SPACE_TEXT -> labelSpaceText(file, source);
          case JSON_LINES -> JsonLinesReader.read(file, source, layout);
          case BY_EXTENSION -> throw new AssertionError("resolved above");
        };
    List<Example> examples = treatEmptyText(file, rows, layout.emptyText());
    if (examples.isEmpty()) {
      throw new DataException(file, 0, "holds no rows");
    }
    return examples;
  }

  /**
   * {@return a row of JSON lines by itself, with the columns that it has}
   *
   * @param line of {@code file}, for messages
   * @throws DataException if the row is not as {@code format} says
   */
  public static Example row(JsonNode row, TextFormat format, Path file, int line) {
    if (!row.isObject()) {
      throw new DataException(
          file, line, "expected a JSON object, found " + JsonLinesReader.kind(row));
    }
    Example example =
        JsonLinesReader.example(
            row, JsonLinesReader.columns(row, format, file, line), format, file, line);
    return treatEmptyText(file, List.of(example), format.emptyText()).get(0);
  }

  private static TextFormat byExtension(Path file, TextFormat format) {
    if (format.kind() != TextFormat.Kind.BY_EXTENSION) {
      return format;
    }
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    String extension = name.substring(name.lastIndexOf('.') + 1);
    return switch (extension) {
      case "csv" -> format.withKind(TextFormat.Kind.CSV);
      case "tsv" -> format.withKind(TextFormat.Kind.TSV);
      case "jsonl", "ndjson" -> format.withKind(TextFormat.Kind.JSON_LINES);
      case "label" -> format.withKind(TextFormat.Kind.LABEL_SPACE_TEXT);
      case "txt" -> {
        TextFormat tsv = format.withKind(TextFormat.Kind.TSV);
        yield tsv.columns() == null ? tsv.withoutHeader("text", "label") : tsv;
      }
      default ->
          throw new DataException(
              file,
              0,
              "cannot tell its format from the name; .csv, .tsv, .jsonl, .ndjson, .txt and .label"
                  + " are known, else name the format");
    };
  }

  private static List<Example> labelSpaceText(Path file, SourceText source) {
    List<Example> examples = new ArrayList<>();
    for (int line = 1; line <= source.lines(); line++) {
      String row = source.line(line);
      if (row.isEmpty()) {
        continue;
      }
      int space = row.indexOf(' ');
      if (space <= 0) {
        throw new DataException(file, line, "expected a label, a space and the text");
      }
      examples.add(new Example(row.substring(space + 1), null, row.substring(0, space), line));
    }
    return examples;
  }

  private static List<Example> treatEmptyText(
      Path file, List<Example> rows, TextFormat.EmptyText policy) {
    if (policy == TextFormat.EmptyText.KEEP) {
      return List.copyOf(rows);
    }
    List<Example> kept = new ArrayList<>(rows.size());
    for (Example row : rows) {
      if (!row.text().isBlank()) {
        kept.add(row);
      } else if (policy == TextFormat.EmptyText.ERROR) {
        throw new DataException(file, row.line(), "the text is empty");
      }
    }
    return List.copyOf(kept);
  }
}
