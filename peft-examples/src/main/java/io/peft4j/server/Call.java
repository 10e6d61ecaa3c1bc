package io.peft4j.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** One request and its response. */
final class Call {

  private static final ObjectReader READER =
      JsonFiles.MAPPER
          .reader()
          .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .with(StreamReadFeature.STRICT_DUPLICATE_DETECTION.mappedFeature());

  private final HttpExchange exchange;
  private final long maxBody;
  private int status;

  Call(HttpExchange exchange, long maxBody) {
    this.exchange = exchange;
    this.maxBody = maxBody;
  }

  String method() {
    return exchange.getRequestMethod();
  }

  String path() {
    return exchange.getRequestURI().getPath();
  }

  /** {@return a header's value, or null} */
  String header(String name) {
    return exchange.getRequestHeaders().getFirst(name);
  }

  /** {@return the status that was answered with, or 0 as long as none was} */
  int status() {
    return status;
  }

  /**
   * {@return the keys of a body that is a JSON object}
   *
   * @throws ApiException if it is none, or too long
   */
  Fields fields() throws IOException {
    byte[] bytes = body();
    JsonNode json;
    try {
      json = READER.readTree(bytes);
    } catch (JsonProcessingException e) {
      throw ApiException.bad(null, "the body is not JSON: " + JsonErrors.sentence(e));
    } catch (IOException e) {
      throw ApiException.bad(null, "the body is not JSON: " + e.getMessage()); // not UTF-8
    }
    if (!(json instanceof ObjectNode object)) {
      throw ApiException.bad(null, "expected a JSON object as body");
    }
    return new Fields(object);
  }

  private byte[] body() throws IOException {
    String length = header("Content-Length");
    if (length != null && length.matches("\\d{1,18}") && Long.parseLong(length) > maxBody) {
      throw ApiException.tooLarge(maxBody);
    }
    byte[] bytes =
        exchange.getRequestBody().readNBytes((int) Math.min(Integer.MAX_VALUE - 8, maxBody + 1));
    if (bytes.length > maxBody) {
      throw ApiException.tooLarge(maxBody);
    }
    return bytes;
  }

  void json(int code, JsonNode json) throws IOException {
    bytes(code, "application/json", JsonFiles.MAPPER.writeValueAsBytes(json));
  }

  void text(int code, String type, String text) throws IOException {
    bytes(code, type, text.getBytes(StandardCharsets.UTF_8));
  }

  private void bytes(int code, String type, byte[] bytes) throws IOException {
    status = code;
    set("Content-Type", type);
    if (method().equals("HEAD")) {
      exchange.sendResponseHeaders(code, -1);
      return;
    }
    exchange.sendResponseHeaders(code, bytes.length == 0 ? -1 : bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  /** Sets a header of the response, before it begins. */
  void set(String header, String value) {
    exchange.getResponseHeaders().set(header, value);
  }

  void error(ApiException e) throws IOException {
    Duration retry = e.retryAfter();
    if (retry != null) {
      set("Retry-After", Long.toString(Math.max(1, (retry.toMillis() + 999) / 1000)));
    }
    if (e.status() == 401) {
      set("WWW-Authenticate", "Bearer");
    }
    if (e.status() == 413) {
      set("Connection", "close"); // the rest of the body is not read
    }
    json(e.status(), e.toJson());
  }

  /** Begins a stream of server-sent events. */
  EventStream events() throws IOException {
    status = 200;
    set("Content-Type", "text/event-stream; charset=utf-8");
    set("Cache-Control", "no-cache");
    set("X-Accel-Buffering", "no"); // nginx would hold events back
    exchange.sendResponseHeaders(200, 0);
    return new EventStream(exchange.getResponseBody());
  }
}
