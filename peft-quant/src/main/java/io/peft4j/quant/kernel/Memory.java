package io.peft4j.quant.kernel;

import java.nio.ByteBuffer;

/** Where the dense operands of a kernel lie. Little-endian, row-major, without gaps. */
public sealed interface Memory {

  /**
   * Host memory.
   *
   * @param bytes the elements between position and limit, which do not move
   */
  record Host(ByteBuffer bytes) implements Memory {}

  /**
   * Memory of a device.
   *
   * @param address the first element's device address
   * @param length in bytes
   */
  record Device(long address, long length) implements Memory {}
}
