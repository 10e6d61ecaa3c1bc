package io.peft4j.text.jinja;

/** A template that is no Jinja, asks for what is not there, or refuses its input itself. */
public final class TemplateException extends IllegalArgumentException {

  private static final long serialVersionUID = 1L;

  private final int line;

  TemplateException(String problem) {
    this(problem, 0);
  }

  TemplateException(String problem, int line) {
    super(line > 0 ? "line " + line + ": " + problem : problem);
    this.line = line;
  }

  /** {@return this, said to be of {@code where} unless its line is known already} */
  TemplateException at(int where) {
    return line > 0 ? this : new TemplateException(getMessage(), where);
  }

  /** {@return the template's line, from 1; 0 if unknown} */
  public int line() {
    return line;
  }
}
