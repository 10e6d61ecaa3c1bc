package io.peft4j.data;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** How a data file is laid out. Start from {@link #DEFAULT} and change what differs. */
public final class TextFormat {

  /** Syntax by extension, UTF-8, a header row, columns by their usual names, labels required. */
  public static final TextFormat DEFAULT =
      new TextFormat(
          Kind.BY_EXTENSION, StandardCharsets.UTF_8, null, null, null, null, true, EmptyText.ERROR);

  private final Kind kind;
  private final Charset charset;
  private final List<String> columns;
  private final String textColumn;
  private final String textPairColumn;
  private final String labelColumn;
  private final boolean labelled;
  private final EmptyText emptyText;

  private TextFormat(
      Kind kind,
      Charset charset,
      List<String> columns,
      String textColumn,
      String textPairColumn,
      String labelColumn,
      boolean labelled,
      EmptyText emptyText) {
    Objects.requireNonNull(kind, "kind");
    Objects.requireNonNull(charset, "charset");
    Objects.requireNonNull(emptyText, "emptyText");
    this.columns = columns == null ? null : List.copyOf(columns);
    this.kind = kind;
    this.charset = charset;
    this.textColumn = textColumn;
    this.textPairColumn = textPairColumn;
    this.labelColumn = labelColumn;
    this.labelled = labelled;
    this.emptyText = emptyText;
  }

  /** {@return the file's syntax} */
  public Kind kind() {
    return kind;
  }

  /** {@return its encoding; bytes that are malformed in it are an error} */
  public Charset charset() {
    return charset;
  }

  /**
   * {@return the columns of a delimited file that has no header row; null if its first row is the
   * header}
   */
  public List<String> columns() {
    return columns;
  }

  /**
   * {@return the column of the text; null for the first found of {@code text}, {@code sentence},
   * {@code sentence1}, in any case}
   */
  public String textColumn() {
    return textColumn;
  }

  /**
   * {@return the column of the second text; null for {@code text_pair} or {@code sentence2} if
   * there is one}
   */
  public String textPairColumn() {
    return textPairColumn;
  }

  /** {@return the column of the label; null for {@code label} or {@code labels}} */
  public String labelColumn() {
    return labelColumn;
  }

  /** {@return whether every row must have a label; if not, labels are read where there are any} */
  public boolean labelled() {
    return labelled;
  }

  /** {@return what to do with a row whose text is blank} */
  public EmptyText emptyText() {
    return emptyText;
  }

  /** A file's syntax. */
  public enum Kind {
    /**
     * {@code .csv} is CSV, {@code .tsv} TSV, {@code .jsonl} and {@code .ndjson} JSON lines, {@code
     * .txt} TSV without a header and with the columns text and label, {@code .label}
     * LABEL_SPACE_TEXT.
     */
    BY_EXTENSION,
    /** Comma-separated, RFC 4180: quoted fields may hold commas, quotes and line breaks. */
    CSV,
    /** Tab-separated; a quote is an ordinary character, as in the GLUE files. */
    TSV,
    /** Tab-separated, quoted like CSV. */
    TSV_QUOTED,
    /** The label, one space, the text; no header. The layout of the TREC questions. */
    LABEL_SPACE_TEXT,
    /** One JSON object a line. */
    JSON_LINES
  }

  /** What to do with a row whose text is blank. */
  public enum EmptyText {
    /** Refuse the file, naming the line. */
    ERROR,
    /** Leave the row out. */
    SKIP,
    /** Keep the row. */
    KEEP
  }

  /** This format with another syntax. */
  public TextFormat withKind(Kind value) {
    return new TextFormat(
        value, charset, columns, textColumn, textPairColumn, labelColumn, labelled, emptyText);
  }

  /** This format with another encoding. */
  public TextFormat withCharset(Charset value) {
    return new TextFormat(
        kind, value, columns, textColumn, textPairColumn, labelColumn, labelled, emptyText);
  }

  /** This format without a header row, the columns being these. */
  public TextFormat withoutHeader(String... names) {
    return new TextFormat(
        kind,
        charset,
        List.of(names),
        textColumn,
        textPairColumn,
        labelColumn,
        labelled,
        emptyText);
  }

  /** This format with named columns; a null leaves the choice to the usual names. */
  public TextFormat withColumns(String text, String textPair, String label) {
    return new TextFormat(kind, charset, columns, text, textPair, label, labelled, emptyText);
  }

  /** This format, labels not required. */
  public TextFormat unlabelled() {
    return new TextFormat(
        kind, charset, columns, textColumn, textPairColumn, labelColumn, false, emptyText);
  }

  /** This format with another treatment of blank texts. */
  public TextFormat withEmptyText(EmptyText value) {
    return new TextFormat(
        kind, charset, columns, textColumn, textPairColumn, labelColumn, labelled, value);
  }

  private List<Object> values() {
    return Arrays.asList(
        kind, charset, columns, textColumn, textPairColumn, labelColumn, labelled, emptyText);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TextFormat that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return "TextFormat" + values();
  }
}
