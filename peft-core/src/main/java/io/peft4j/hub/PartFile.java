package io.peft4j.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse.ResponseInfo;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/**
 * A file that a download appends to. Bytes come from the HTTP client's threads, one call at a time.
 */
final class PartFile implements Consumer<Optional<byte[]>>, AutoCloseable {
  private final Path path;
  private final FileChannel channel;
  private final LongConsumer progress;
  private volatile long lastNews = System.nanoTime();
  private volatile IOException failure;

  /**
   * @param start the bytes already there
   */
  PartFile(Path path, long start, LongConsumer progress) throws IOException {
    this.path = path;
    this.channel =
        FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE).position(start);
    this.progress = progress;
  }

  /** Whether the answer's body belongs into the file; if it is the whole file, starts over. */
  boolean accept(ResponseInfo answer) {
    lastNews = System.nanoTime();
    try {
      if (answer.statusCode() == 200) {
        restart();
      } else if (answer.statusCode() != 206) {
        return false;
      } else if (!startsHere(answer)) {
        throw new HubException(
            "asked for bytes from "
                + channel.position()
                + ", was sent others: "
                + answer.headers().firstValue("Content-Range").orElse("no Content-Range"));
      }
      progress.accept(channel.position());
      return true;
    } catch (IOException e) {
      failure = e;
      throw new UncheckedIOException(e);
    }
  }

  private boolean startsHere(ResponseInfo answer) throws IOException {
    return answer
        .headers()
        .firstValue("Content-Range")
        .orElse("")
        .startsWith("bytes " + channel.position() + "-");
  }

  void restart() throws IOException {
    channel.truncate(0).position(0);
  }

  @Override
  public void accept(Optional<byte[]> piece) {
    lastNews = System.nanoTime();
    try {
      ByteBuffer bytes = ByteBuffer.wrap(piece.orElse(new byte[0]));
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      progress.accept(channel.position());
    } catch (IOException e) {
      failure = new HubException("cannot write " + path + ": " + e.getMessage(), e);
      throw new UncheckedIOException(failure);
    }
  }

  /** When bytes last came, by {@link System#nanoTime()}. */
  long lastNews() {
    return lastNews;
  }

  /** Why the file could not be written, or null. */
  IOException failure() {
    return failure;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
