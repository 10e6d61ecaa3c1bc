package io.peft4j.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.net.http.HttpResponse.ResponseInfo;
import java.util.Optional;
import java.util.function.Consumer;

/** An answer that is kept in memory, which nobody may fill. All of it has to come in time. */
final class Document implements Incoming, Consumer<Optional<byte[]>> {

  /** The names of some hundred thousand files; the hub asks for far fewer in a repository. */
  static final int LIMIT = 8 << 20;

  private final URI address;
  private final long begun = System.nanoTime();
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private volatile IOException failure;

  Document(URI address) {
    this.address = address;
  }

  BodySubscriber<Void> subscriber(ResponseInfo answer) {
    return answer.statusCode() == 200
        ? BodySubscribers.ofByteArrayConsumer(this)
        : BodySubscribers.replacing(null);
  }

  @Override
  public void accept(Optional<byte[]> piece) {
    byte[] more = piece.orElse(new byte[0]);
    if (bytes.size() + more.length > LIMIT) {
      failure =
          new HubException(
              HubRequest.plain(address) + " should answer with at most " + LIMIT + " bytes");
      throw new UncheckedIOException(failure);
    }
    bytes.writeBytes(more);
  }

  byte[] bytes() {
    return bytes.toByteArray();
  }

  @Override
  public long lastNews() {
    return begun;
  }

  @Override
  public IOException failure() {
    return failure;
  }
}
