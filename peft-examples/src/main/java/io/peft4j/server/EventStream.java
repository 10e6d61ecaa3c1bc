package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Server-sent events, each on its way at once. Writing fails once the client has gone, which is how
 * that is noticed.
 */
final class EventStream {

  private final OutputStream out;

  EventStream(OutputStream out) {
    this.out = out;
  }

  void send(JsonNode event) throws IOException {
    write("data: " + JsonFiles.MAPPER.writeValueAsString(event) + "\n\n");
  }

  /** Says nothing to a client that is there. */
  void ping() throws IOException {
    write(": waiting\n\n");
  }

  void done() throws IOException {
    write("data: [DONE]\n\n");
  }

  private void write(String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
  }
}
