package io.peft4j.data;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;

/** Reads CSV and TSV. Empty lines are no rows. */
final class DelimitedReader {
  static final CSVFormat CSV = CSVFormat.DEFAULT;
  static final CSVFormat TSV_QUOTED = CSV.builder().setDelimiter('\t').get();
  static final CSVFormat TSV = TSV_QUOTED.builder().setQuote(null).get();

  private DelimitedReader() {}

  /** The rows of {@code source}, in order. */
  static List<Example> read(Path file, SourceText source, CSVFormat syntax, TextFormat format)
      throws IOException {
    List<Example> examples = new ArrayList<>();
    try (CSVParser parser = CSVParser.parse(new StringReader(source.content()), syntax)) {
      Iterator<CSVRecord> records = parser.iterator();
      List<String> header = format.columns();
      int headerLine = 0;
      if (header == null) {
        if (!hasNext(records, parser, source, file)) {
          return examples;
        }
        CSVRecord first = records.next();
        headerLine = source.lineAtOrAfter(first.getCharacterPosition());
        header = first.stream().map(String::strip).toList();
      }
      checkDistinct(header, file, headerLine);
      Columns columns = Columns.choose(format, header, file, headerLine);
      int text = header.indexOf(columns.text());
      int pair = columns.textPair() == null ? -1 : header.indexOf(columns.textPair());
      int label = columns.label() == null ? -1 : header.indexOf(columns.label());
      while (hasNext(records, parser, source, file)) {
        CSVRecord row = records.next();
        int line = source.lineAtOrAfter(row.getCharacterPosition());
        if (row.size() != header.size()) {
          throw new DataException(
              file,
              line,
              "expected " + header.size() + " fields " + header + ", found " + row.size());
        }
        examples.add(
            new Example(
                row.get(text),
                pair < 0 ? null : row.get(pair),
                label < 0 ? null : row.get(label).strip(),
                line));
      }
    }
    return examples;
  }

  /** Reads ahead one record, so this is where bad syntax shows. */
  private static boolean hasNext(
      Iterator<CSVRecord> records, CSVParser parser, SourceText source, Path file) {
    int start = source.lineAfter(parser.getCurrentLineNumber());
    try {
      return records.hasNext();
    } catch (UncheckedIOException e) {
      throw new DataException(file, start, "malformed row: " + e.getCause().getMessage());
    }
  }

  private static void checkDistinct(List<String> header, Path file, int line) {
    Set<String> seen = new HashSet<>();
    for (String column : header) {
      if (!seen.add(column)) {
        throw new DataException(file, line, "column '" + column + "' occurs twice in " + header);
      }
    }
  }
}
