package io.peft4j.text.jinja;

/**
 * A piece of a template.
 *
 * @param text of a name, operator or text; a string's content
 * @param line it starts on, from 1
 */
record Token(Kind kind, String text, int line) {

  enum Kind {
    /** What is written as it stands. */
    TEXT,
    /** The beginning of an expression to write. */
    PRINT,
    /** The beginning of a statement. */
    STATEMENT,
    /** The end of either. */
    END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    /** The end of the template. */
    EOF
  }

  boolean is(Kind wanted, String wantedText) {
    return kind == wanted && text.equals(wantedText);
  }

  /** {@return how a message calls it} */
  String shown() {
    return switch (kind) {
      case EOF -> "the end of the template";
      case END -> "the end of the tag";
      case TEXT, PRINT, STATEMENT -> "text";
      default -> "'" + text + "'";
    };
  }
}
