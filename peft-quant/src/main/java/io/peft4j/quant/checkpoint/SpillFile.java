package io.peft4j.quant.checkpoint;

import io.peft4j.safetensors.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Keeps quantized tensors on disk until the checkpoint is written: a safetensors header states all
 * sizes first, and the quantization state's JSON has a size only once its weight is quantized.
 */
final class SpillFile implements AutoCloseable {
  private static final int PART = 1 << 20;

  private final FileChannel channel;
  private long size;

  SpillFile(Path folder) throws IOException {
    Path file = Files.createTempFile(folder, ".quantize", ".spill");
    channel =
        FileChannel.open(
            file,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE);
  }

  /** Stores a tensor's bytes and returns the tensor as it comes back from disk. */
  TensorSource spill(TensorSource tensor) throws IOException {
    long start = size;
    channel.position(start);
    tensor.content().writeTo(channel);
    size = channel.position();
    long length = size - start;
    return new TensorSource(
        tensor.name(), tensor.dtype(), tensor.shape(), out -> copy(start, length, out));
  }

  private void copy(long start, long length, WritableByteChannel out) throws IOException {
    ByteBuffer part = ByteBuffer.allocate(PART);
    for (long at = start; at < start + length; ) {
      part.clear().limit((int) Math.min(PART, start + length - at));
      int read = channel.read(part, at);
      if (read < 0) {
        throw new IOException("the temporary file of quantized tensors was cut");
      }
      at += read;
      part.flip();
      while (part.hasRemaining()) {
        out.write(part);
      }
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
