package io.peft4j.train;

import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.zip.CRC32C;

/** CRC-32C of lists of numbers, with their lengths. */
final class IntChecksum {

  private final CRC32C checksum = new CRC32C();

  IntChecksum add(int[] numbers) {
    ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * (numbers.length + 1));
    bytes.putInt(numbers.length).asIntBuffer().put(numbers);
    checksum.update(bytes.array());
    return this;
  }

  String hex() {
    return String.format(Locale.ROOT, "%08x", checksum.getValue());
  }
}
