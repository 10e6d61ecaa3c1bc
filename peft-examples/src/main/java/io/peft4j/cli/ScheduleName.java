package io.peft4j.cli;

import io.peft4j.train.Schedule;
import java.util.Iterator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads the name of a schedule. */
final class ScheduleName implements ITypeConverter<Schedule> {

  /** For the shell. */
  static final class Candidates implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Schedule.all().keySet().iterator();
    }
  }

  @Override
  public Schedule convert(String value) {
    try {
      return Schedule.named(value);
    } catch (IllegalArgumentException e) {
      throw new TypeConversionException(e.getMessage());
    }
  }
}
