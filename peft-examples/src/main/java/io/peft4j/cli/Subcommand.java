package io.peft4j.cli;

import java.util.ServiceLoader;
import java.util.concurrent.Callable;

/**
 * A command of {@code peft} that {@link ServiceLoader} finds: a class with picocli's
 * {@code @Command}, which ends with the exit code of the program.
 */
public interface Subcommand extends Callable<Integer> {}
