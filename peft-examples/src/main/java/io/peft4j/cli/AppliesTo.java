package io.peft4j.cli;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Beside an option: beside which others it does something; beside a mixin: the same of all its
 * options. Where it would do nothing, it is refused, whether the command line or a file gives it;
 * see {@link Applicability}.
 *
 * <p>A condition is an option's name, which holds where its value asks for something (neither
 * absent nor false, 0 or less, {@code off} or {@code no}), or {@code --name=value|value}, which
 * holds where it has one of the values. Defaults count.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.FIELD)
public @interface AppliesTo {

  /** Conditions of which one has to hold; none for always. */
  String[] needs() default {};

  /** Conditions of which none may hold. */
  String[] unless() default {};
}
