package io.peft4j.hub;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Where models are kept and where they come from.
 *
 * @param cache the folder that holds {@code models--org--name}
 * @param endpoint the hub's address, without a path's trailing slash
 * @param token the access token, sent to the endpoint alone; null for none
 * @param offline whether to do without the network
 * @param symlinks whether snapshots may link to blobs; else they hold the files themselves
 * @param timeout how long to wait for a connection, an answer, or the next bytes
 * @param retries how often to try again after a failure that brought no new bytes
 * @param retryDelay the wait before the first new try; it doubles each time
 */
public record HubConfig(
    Path cache,
    URI endpoint,
    String token,
    boolean offline,
    boolean symlinks,
    Duration timeout,
    int retries,
    Duration retryDelay) {
  private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
  private static final String DEFAULT_ENDPOINT = "https://huggingface.co";
  private static final long DEFAULT_TIMEOUT_SECONDS = 30;

  /**
   * The settings that Python's {@code huggingface_hub} takes from the same variables: {@code
   * HF_HOME}, {@code XDG_CACHE_HOME}, {@code HF_HUB_CACHE}, {@code HF_ENDPOINT}, {@code HF_TOKEN},
   * {@code HF_TOKEN_PATH}, {@code HF_HUB_DISABLE_IMPLICIT_TOKEN}, {@code HF_HUB_OFFLINE}, {@code
   * TRANSFORMERS_OFFLINE}, {@code HF_HUB_DISABLE_SYMLINKS}, {@code HF_HUB_DOWNLOAD_TIMEOUT}
   * (seconds), and the older {@code HUGGINGFACE_HUB_CACHE} and {@code HUGGING_FACE_HUB_TOKEN}.
   *
   * @param environment usually {@link System#getenv()}
   * @throws IllegalArgumentException if a variable's value makes no sense
   * @throws IOException if there is a token file that cannot be read
   */
  public static HubConfig fromEnvironment(Map<String, String> environment) throws IOException {
    Variables variables = new Variables(environment);
    Path userCache = variables.path("XDG_CACHE_HOME", Path.of(Variables.HOME, ".cache"));
    Path home = variables.path("HF_HOME", userCache.resolve("huggingface"));
    Path cache =
        variables.path(
            "HF_HUB_CACHE", variables.path("HUGGINGFACE_HUB_CACHE", home.resolve("hub")));
    return new HubConfig(
        cache,
        variables.endpoint(),
        variables.isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? null : variables.token(home),
        variables.isTrue("HF_HUB_OFFLINE") || variables.isTrue("TRANSFORMERS_OFFLINE"),
        !variables.isTrue("HF_HUB_DISABLE_SYMLINKS"),
        variables.timeout(),
        5,
        Duration.ofMillis(500));
  }

  /**
   * @throws IllegalArgumentException if the token cannot be one; the message does not show it
   */
  public HubConfig {
    if (token != null && !token.matches("[\\x21-\\x7e]+")) {
      throw new IllegalArgumentException(
          "the token (HF_TOKEN, or the file it is kept in) should be visible ASCII characters"
              + " without blanks; found others among its "
              + token.length()
              + ", which are not shown");
    }
    if (endpoint.getRawUserInfo() != null) {
      throw new IllegalArgumentException(
          "the hub's address (HF_ENDPOINT) should have no user or password, found one before "
              + endpoint.getHost()
              + "; a token is given as HF_TOKEN");
    }
  }

  /** What a server said, which may repeat what it was sent. */
  String withoutToken(String said) {
    return token == null ? said : said.replace(token, "(token)");
  }

  /** Everything but the token. */
  @Override
  public String toString() {
    return "HubConfig[cache="
        + cache
        + ", endpoint="
        + endpoint
        + ", token="
        + (token == null ? "none" : "hidden")
        + ", offline="
        + offline
        + "]";
  }

  /** Environment variables; an empty one counts as unset. */
  private record Variables(Map<String, String> values) {
    static final String HOME = System.getProperty("user.home");

    String get(String name) {
      String value = values.get(name);
      return value == null || value.isBlank() ? null : value.strip();
    }

    boolean isTrue(String name) {
      String value = get(name);
      return value != null && TRUE.contains(value.toUpperCase(Locale.ROOT));
    }

    Path path(String name, Path otherwise) {
      String value = get(name);
      if (value == null) {
        return otherwise;
      }
      boolean ofHome = value.equals("~") || value.startsWith("~/");
      return Path.of(ofHome ? HOME + value.substring(1) : value);
    }

    URI endpoint() {
      String value = get("HF_ENDPOINT");
      String address = (value == null ? DEFAULT_ENDPOINT : value).replaceAll("/+$", "");
      if (!address.matches("https?://[^/?#]+(/[^?#]*)?")) {
        throw new IllegalArgumentException(
            "HF_ENDPOINT should be an address like "
                + DEFAULT_ENDPOINT
                + ", found '"
                + HubRequest.plain(address)
                + "'");
      }
      try {
        return new URI(address);
      } catch (URISyntaxException e) {
        // which would show all of it
        throw new IllegalArgumentException(
            "HF_ENDPOINT is no address: '" + HubRequest.plain(address) + "'");
      }
    }

    String token(Path home) throws IOException {
      String token = get("HF_TOKEN");
      if (token == null) {
        token = get("HUGGING_FACE_HUB_TOKEN");
      }
      Path file = path("HF_TOKEN_PATH", home.resolve("token"));
      if (token == null && Files.isRegularFile(file)) {
        token = Files.readString(file).strip();
      }
      if (token != null) {
        token = token.replaceAll("[\r\n]", ""); // as Python does
      }
      return token == null || token.isEmpty() ? null : token;
    }

    Duration timeout() {
      String value = get("HF_HUB_DOWNLOAD_TIMEOUT");
      if (value == null) {
        return Duration.ofSeconds(DEFAULT_TIMEOUT_SECONDS);
      }
      if (!value.matches("[1-9]\\d{0,5}")) {
        throw new IllegalArgumentException(
            "HF_HUB_DOWNLOAD_TIMEOUT should be a number of seconds, found '" + value + "'");
      }
      return Duration.ofSeconds(Long.parseLong(value));
    }
  }
}
