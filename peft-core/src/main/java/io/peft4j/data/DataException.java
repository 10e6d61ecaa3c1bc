package io.peft4j.data;

import java.nio.file.Path;

/**
 * The content of a data file is not what it should be; the message begins {@code FILE:LINE:},
 * except for a row that is read by itself.
 */
public final class DataException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final String source;
  private final int line;

  DataException(String source, int line, String problem) {
    super(source == null ? problem : (line > 0 ? source + ":" + line : source) + ": " + problem);
    this.source = source;
    this.line = line;
  }

  DataException(Path file, int line, String problem) {
    this(file == null ? null : file.toString(), line, problem);
  }

  /** The file, as it was named by the caller; null for a row by itself. */
  public String source() {
    return source;
  }

  /** The physical line, from 1, on which the offending row starts; 0 if the whole file is meant. */
  public int line() {
    return line;
  }
}
