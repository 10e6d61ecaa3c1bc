package io.peft4j.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads sizes such as {@code 4GB}, {@code 1.5g} or {@code 900MiB}; units are powers of 1024. */
final class ByteSize implements ITypeConverter<Long> {

  private static final Pattern SIZE =
      Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([kmgt]?)(?:i?b)?", Pattern.CASE_INSENSITIVE);

  @Override
  public Long convert(String value) {
    Matcher size = SIZE.matcher(value.trim());
    if (!size.matches()) {
      throw new TypeConversionException(
          "expected a size such as 4GB or 900MB, found '" + value + "'");
    }
    int power = "kmgt".indexOf(size.group(2).toLowerCase(Locale.ROOT)) + 1;
    int exponent = size.group(2).isEmpty() ? 0 : power;
    return Math.round(Double.parseDouble(size.group(1)) * Math.pow(1024, exponent));
  }
}
