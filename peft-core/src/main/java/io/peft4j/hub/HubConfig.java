package io.peft4j.hub;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Where models are kept and where they come from. */
public final class HubConfig {

  private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
  private static final String DEFAULT_ENDPOINT = "https://huggingface.co";
  private static final long DEFAULT_TIMEOUT_SECONDS = 30;

  private final Path cache;
  private final URI endpoint;
  private final String token;
  private final boolean offline;
  private final boolean symlinks;
  private final Duration timeout;
  private final int retries;
  private final Duration retryDelay;

  /**
   * @throws IllegalArgumentException if the token cannot be one; the message does not show it
   */
  private HubConfig(
      Path cache,
      URI endpoint,
      String token,
      boolean offline,
      boolean symlinks,
      Duration timeout,
      int retries,
      Duration retryDelay) {
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
    this.cache = cache;
    this.endpoint = endpoint;
    this.token = token;
    this.offline = offline;
    this.symlinks = symlinks;
    this.timeout = timeout;
    this.retries = retries;
    this.retryDelay = retryDelay;
  }

  /** {@return the folder that holds {@code models--org--name}} */
  public Path cache() {
    return cache;
  }

  /** {@return the hub's address, without a path's trailing slash} */
  public URI endpoint() {
    return endpoint;
  }

  /** {@return the access token, sent to the endpoint alone; null for none} */
  public String token() {
    return token;
  }

  /** {@return whether to do without the network} */
  public boolean offline() {
    return offline;
  }

  /** {@return whether snapshots may link to blobs; else they hold the files themselves} */
  public boolean symlinks() {
    return symlinks;
  }

  /** {@return how long to wait for a connection, an answer, or the next bytes} */
  public Duration timeout() {
    return timeout;
  }

  /** {@return how often to try again after a failure that brought no new bytes} */
  public int retries() {
    return retries;
  }

  /** {@return the wait before the first new try; it doubles each time} */
  public Duration retryDelay() {
    return retryDelay;
  }

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
    return builder(cache)
        .endpoint(variables.endpoint())
        .token(variables.isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? null : variables.token(home))
        .offline(variables.isTrue("HF_HUB_OFFLINE") || variables.isTrue("TRANSFORMERS_OFFLINE"))
        .symlinks(!variables.isTrue("HF_HUB_DISABLE_SYMLINKS"))
        .timeout(variables.timeout())
        .build();
  }

  /**
   * {@return a builder with the defaults of {@code huggingface_hub}: online, without token}
   *
   * @param cache the folder that holds {@code models--org--name}
   */
  public static Builder builder(Path cache) {
    return new Builder(cache);
  }

  /** {@return a builder that has what this has} */
  public Builder toBuilder() {
    return new Builder(cache)
        .endpoint(endpoint)
        .token(token)
        .offline(offline)
        .symlinks(symlinks)
        .timeout(timeout)
        .retries(retries)
        .retryDelay(retryDelay);
  }

  /** Builds {@link HubConfig}; each method sets what has its name. */
  public static final class Builder {
    private final Path cache;
    private URI endpoint = URI.create(DEFAULT_ENDPOINT);
    private String token;
    private boolean offline;
    private boolean symlinks = true;
    private Duration timeout = Duration.ofSeconds(DEFAULT_TIMEOUT_SECONDS);
    private int retries = 5;
    private Duration retryDelay = Duration.ofMillis(500);

    private Builder(Path cache) {
      this.cache = cache;
    }

    public Builder endpoint(URI value) {
      endpoint = value;
      return this;
    }

    public Builder token(String value) {
      token = value;
      return this;
    }

    public Builder offline(boolean value) {
      offline = value;
      return this;
    }

    public Builder symlinks(boolean value) {
      symlinks = value;
      return this;
    }

    public Builder timeout(Duration value) {
      timeout = value;
      return this;
    }

    public Builder retries(int value) {
      retries = value;
      return this;
    }

    public Builder retryDelay(Duration value) {
      retryDelay = value;
      return this;
    }

    /**
     * @throws IllegalArgumentException if the token cannot be one, or the address has a user
     */
    public HubConfig build() {
      return new HubConfig(cache, endpoint, token, offline, symlinks, timeout, retries, retryDelay);
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

  private List<Object> values() {
    return Arrays.asList(cache, endpoint, token, offline, symlinks, timeout, retries, retryDelay);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof HubConfig that && values().equals(that.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }
}
