package io.peft4j.cli;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Beside an option: the key of {@code adapter_config.json} that it sets. A method that has no such
 * key refuses the option; see {@link MethodOptions}.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.FIELD)
@interface MethodKey {

  /** What the key is called; a method has at most one of the names. */
  String[] value();

  /** Methods that have the key, but do nothing, or something else, with it. */
  String[] except() default {};

  /** What to do with those instead, as an end of a sentence. */
  String instead() default "";
}
