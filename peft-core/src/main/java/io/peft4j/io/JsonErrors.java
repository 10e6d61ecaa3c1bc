package io.peft4j.io;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonLocation;

/** Says what is wrong with a JSON or YAML text in words for its writer, not the parser's user. */
public final class JsonErrors {

  private JsonErrors() {}

  /** {@return what the parser found, on one line, and where; without the parser's own settings} */
  public static String sentence(JacksonException error) {
    String found =
        error
            .getOriginalMessage()
            .replaceAll(" \\(start marker at \\[.*?]\\)", "")
            .replaceAll(": enable `[^`]*` to allow", "")
            .replaceAll("\\s+", " ")
            .strip();
    JsonLocation at = error.getLocation();
    if (at == null || at.getLineNr() < 1) {
      return found;
    }
    String line = at.getLineNr() == 1 ? "" : "line " + at.getLineNr() + ", ";
    return found + " (" + line + "column " + at.getColumnNr() + ")";
  }
}
