package io.peft4j.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;

/** A request that is refused, in the words of OpenAI's error objects. */
public final class ApiException extends RuntimeException {

  private static final long serialVersionUID = 1L;
  private static final String INVALID = "invalid_request_error";

  private final int status;
  private final String type;
  private final String param;
  private final String code;
  private final transient Duration retryAfter;

  private ApiException(
      int status, String type, String param, String code, String message, Duration retryAfter) {
    super(message);
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /**
   * @param param the key that is wrong; null if it is the whole
   */
  static ApiException bad(String param, String message) {
    return new ApiException(400, INVALID, param, null, message, null);
  }

  /** A prompt for which the model has no room, with the code that clients look for. */
  static ApiException tooLong(String param, String message) {
    return new ApiException(400, INVALID, param, "context_length_exceeded", message, null);
  }

  static ApiException unauthorized(String message) {
    return new ApiException(401, INVALID, null, "invalid_api_key", message, null);
  }

  static ApiException forbidden(String message) {
    return new ApiException(403, INVALID, null, "forbidden", message, null);
  }

  static ApiException noModel(String name) {
    return unknown("no model '" + name + "'; see /v1/models");
  }

  static ApiException unknown(String message) {
    return new ApiException(404, INVALID, "model", "model_not_found", message, null);
  }

  static ApiException noPath(String path) {
    return new ApiException(404, INVALID, null, "not_found", "nothing at " + path, null);
  }

  static ApiException method(String allowed) {
    return new ApiException(405, INVALID, null, null, "expected the method " + allowed, null);
  }

  static ApiException tooLarge(long limit) {
    String message = "the request's body is longer than " + limit + " bytes";
    return new ApiException(413, INVALID, null, "request_too_large", message, null);
  }

  static ApiException busy(Duration retryAfter) {
    return new ApiException(
        429,
        "rate_limit_error",
        null,
        "queue_full",
        "too many requests are waiting; try again later",
        retryAfter);
  }

  static ApiException ending() {
    return new ApiException(
        503, "server_error", null, "shutting_down", "the server is ending", Duration.ofSeconds(5));
  }

  static ApiException late() {
    return new ApiException(
        503, "server_error", null, "timeout", "there was no time for it", Duration.ofSeconds(5));
  }

  static ApiException failed(String message) {
    return new ApiException(500, "server_error", null, null, message, null);
  }

  /** {@return HTTP's status: 400 or more} */
  public int status() {
    return status;
  }

  /** {@return when to try again, or null} */
  public Duration retryAfter() {
    return retryAfter;
  }

  /** {@return OpenAI's error object} */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.putObject("error")
        .put("message", getMessage())
        .put("type", type)
        .put("param", param)
        .put("code", code);
    return json;
  }
}
