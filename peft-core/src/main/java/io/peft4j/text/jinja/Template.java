package io.peft4j.text.jinja;

import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A compiled template. Immutable and thread-safe. */
public final class Template {

  private final Node body;

  private Template(Node body) {
    this.body = body;
  }

  /**
   * What a template gave.
   *
   * @param text all of it
   * @param generated what lies within {@code generation} blocks: pairs of start and end in {@code
   *     text}
   */
  public record Rendered(String text, List<int[]> generated) {}

  /**
   * @throws TemplateException if {@code source} is not the Jinja that this package knows
   */
  public static Template compile(String source) {
    if (source.length() > Budget.LONGEST) {
      throw new TemplateException("a template of " + source.length() + " characters");
    }
    try {
      return new Template(new Parser(new Lexer(source).tokens()).template());
    } catch (StackOverflowError e) {
      throw new TemplateException("nested too deeply");
    }
  }

  /**
   * Renders with these variables: strings, numbers, booleans, nulls, lists and maps of them.
   *
   * @throws TemplateException if the template raises one, an operation has no meaning, or rendering
   *     takes more operations or memory than any conversation needs
   */
  public Rendered render(Map<String, Object> variables) {
    return render(variables, Clock.systemDefaultZone());
  }

  Rendered render(Map<String, Object> variables, Clock clock) {
    Scope scope = Scope.root(Builtins.globals(clock));
    variables.forEach((name, value) -> scope.set(name, value));
    Output output = new Output();
    return Budget.within(
        () -> {
          try {
            body.render(scope.nested(), output);
          } catch (StackOverflowError e) {
            throw new TemplateException("nested too deeply");
          } catch (OutOfMemoryError e) {
            throw new TemplateException("the template takes more memory than there is");
          }
          return new Rendered(output.text.toString(), List.copyOf(output.generated));
        });
  }

  /** Something that writes. */
  @FunctionalInterface
  interface Node {
    Flow render(Scope scope, Output output);
  }

  /**
   * Something that has a value: a String, Long, Double, Boolean, null, List, Map or what follows.
   */
  @FunctionalInterface
  interface Expression {
    Object value(Scope scope);
  }

  /** A value that can be called. */
  @FunctionalInterface
  interface Function {
    Object call(List<Object> arguments, Map<String, Object> named);
  }

  /** A value that has named parts and is no map. */
  @FunctionalInterface
  interface Attributes {
    Object attribute(String name);
  }

  /** Whether to go on after a node. */
  enum Flow {
    NEXT,
    BREAK,
    CONTINUE
  }

  /** Where nodes write. */
  static final class Output {
    final StringBuilder text = new StringBuilder();
    final List<int[]> generated = new ArrayList<>();

    void write(String part) {
      Budget.make(part.length());
      Budget.checkLength((long) text.length() + part.length());
      text.append(part);
    }
  }
}
