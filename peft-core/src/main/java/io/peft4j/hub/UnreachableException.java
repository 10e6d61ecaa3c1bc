package io.peft4j.hub;

import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;

/** There is no connection to the hub, and a moment later there will be none either. */
final class UnreachableException extends IOException {
  private static final long serialVersionUID = 1L;

  private UnreachableException(String message, IOException cause) {
    super(message, cause);
  }

  /**
   * {@return what to say of a model's name that the hub was to be asked about, or {@code failure}
   * itself where there was a connection}
   */
  static IOException of(IOException failure, ModelId id, HubConfig config) {
    Throwable cause = failure.getCause();
    boolean connected =
        !(cause instanceof ConnectException || cause instanceof HttpConnectTimeoutException);
    return connected
        ? failure
        : new UnreachableException(
            "there is no folder '"
                + id
                + "', and "
                + HubRequest.plain(config.endpoint())
                + " cannot be reached to look for a model of that name ("
                + failure.getMessage()
                + "); HF_HUB_OFFLINE=1 keeps to folders and "
                + config.cache(),
            failure);
  }
}
