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
final class PartFile implements Incoming, Consumer<Optional<byte[]>>, AutoCloseable {

  /** What has to come before the time-out starts afresh: a trickle is no download. */
  private static final int NEWS = 16 << 10;

  private final Path path;
  private final FileChannel channel;
  private final long limit;
  private final LongConsumer progress;
  private long sinceNews;
  private volatile long lastNews = System.nanoTime();
  private volatile IOException failure;

  /**
   * @param start the bytes already there
   * @param limit the most bytes the whole file may have
   */
  PartFile(Path path, long start, long limit, LongConsumer progress) throws IOException {
    this.path = path;
    this.limit = limit;
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
      checkRoom(answer.headers().firstValue("Content-Length").map(PartFile::number).orElse(0L));
      progress.accept(channel.position());
      return true;
    } catch (IOException e) {
      failure = e;
      throw new UncheckedIOException(e);
    }
  }

  /** Nothing of what is too much is written. */
  private void checkRoom(long more) throws IOException {
    if (more > limit - channel.position()) {
      throw new HubException(
          path + ": was sent more than the " + limit + " bytes that were expected");
    }
  }

  /** What is no number is not believed, and counted as it comes. */
  private static long number(String text) {
    return text.matches("\\d{1,18}") ? Long.parseLong(text) : 0;
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
    try {
      ByteBuffer bytes = ByteBuffer.wrap(piece.orElse(new byte[0]));
      sinceNews += bytes.remaining();
      if (sinceNews >= NEWS) {
        sinceNews = 0;
        lastNews = System.nanoTime();
      }
      checkRoom(bytes.remaining());
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      progress.accept(channel.position());
    } catch (HubException e) {
      failure = e;
      throw new UncheckedIOException(e);
    } catch (IOException e) {
      failure = new HubException("cannot write " + path + ": " + e.getMessage(), e);
      throw new UncheckedIOException(failure);
    }
  }

  @Override
  public long lastNews() {
    return lastNews;
  }

  @Override
  public IOException failure() {
    return failure;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
