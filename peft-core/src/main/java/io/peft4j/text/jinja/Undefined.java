package io.peft4j.text.jinja;

/**
 * What is not there: false, empty and of no text, but nothing can be done with it.
 *
 * @param problem for the message if something is
 */
record Undefined(String problem) {

  TemplateException error() {
    return new TemplateException(problem);
  }
}
