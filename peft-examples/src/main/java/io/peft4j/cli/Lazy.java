package io.peft4j.cli;

import java.io.IOException;

/** What is opened when it is first wanted, such as a tokenizer: token numbers need none. */
final class Lazy<T extends AutoCloseable> implements AutoCloseable {

  /** Opens it. */
  @FunctionalInterface
  interface Opener<T> {
    T open() throws IOException;
  }

  private final Opener<T> opener;
  private T opened;

  Lazy(Opener<T> opener) {
    this.opener = opener;
  }

  T get() throws IOException {
    if (opened == null) {
      opened = opener.open();
    }
    return opened;
  }

  @Override
  public void close() throws IOException {
    if (opened != null) {
      try {
        opened.close();
      } catch (IOException | RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IOException(e);
      }
    }
  }
}
