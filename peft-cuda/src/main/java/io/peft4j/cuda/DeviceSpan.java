package io.peft4j.cuda;

import java.util.Locale;

/**
 * Memory on the device that somebody else owns: a {@link DeviceMemory}, or a PyTorch tensor.
 *
 * @param address of the first byte
 * @param bytes how many may be touched
 */
public record DeviceSpan(long address, long bytes) {
  /** Checks the numbers. */
  public DeviceSpan {
    if (address == 0 || bytes < 0) {
      throw new IllegalArgumentException(
          String.format(Locale.ROOT, "no device memory: address %#x, %d bytes", address, bytes));
    }
  }

  /**
   * A part of this span.
   *
   * @throws IndexOutOfBoundsException if it reaches beyond
   */
  public DeviceSpan slice(long from, long length) {
    java.util.Objects.checkFromIndexSize(from, length, bytes);
    return new DeviceSpan(address + from, length);
  }

  /** Throws if this span, named {@code what} to the reader, has fewer bytes than are needed. */
  void require(String what, long needed) {
    if (bytes < needed) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "%s takes %,d bytes on the device, found %,d", what, needed, bytes));
    }
  }

  boolean aligned16() {
    return (address & 15) == 0;
  }
}
