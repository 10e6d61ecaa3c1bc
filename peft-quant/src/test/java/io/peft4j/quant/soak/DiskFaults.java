package io.peft4j.quant.soak;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Steers the library that lets writes, syncs and renames below one folder fail. */
final class DiskFaults {

  private static final int AT = 0;
  private static final int REST = 1;
  private static final int SEEN = 2;

  private final LongBuffer control;

  DiskFaults(Path file) throws IOException {
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      control =
          channel
              .map(FileChannel.MapMode.READ_WRITE, 0, 4096)
              .order(ByteOrder.nativeOrder())
              .asLongBuffer();
    }
  }

  /** Lets the operation of that number fail, and all after it too if {@code rest}. */
  void on(long at, boolean rest) {
    control.put(REST, rest ? 1 : 0).put(SEEN, 0).put(AT, at);
  }

  void off() {
    control.put(AT, 0).put(SEEN, 0);
  }

  /** {@return how many operations there were since {@link #on} or {@link #off}} */
  long seen() {
    return control.get(SEEN);
  }
}
