package io.peft4j.server;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Locale;
import java.util.Set;

/**
 * Who is answered: holders of the key where there is one. Where there is none, only programs of
 * this machine, and no web page that its browser shows: a page of another origin, or one whose name
 * was made to mean this machine, is refused.
 */
final class Guard {

  private static final Set<String> LOCAL = Set.of("localhost", "127.0.0.1", "[::1]");
  private static final String BEARER = "bearer ";

  private final byte[] key;
  private final boolean checkHost;

  Guard(ServerConfig config) {
    this.key = config.apiKey();
    this.checkHost = config.isLoopback() && key == null;
  }

  /**
   * @throws ApiException if the caller is not to be answered
   */
  void check(Call call) {
    String host = call.header("Host");
    String origin = call.header("Origin");
    if (origin != null && key == null && !sameHost(origin, host)) {
      throw ApiException.forbidden("pages of " + origin + " may not call this server");
    }
    if (checkHost && host != null && !LOCAL.contains(withoutPort(host))) {
      throw ApiException.forbidden("expected to be called as localhost, found " + host);
    }
    if (key != null && !MessageDigest.isEqual(key, shown(call))) {
      throw ApiException.unauthorized("expected the server's key as 'Authorization: Bearer KEY'");
    }
  }

  private static byte[] shown(Call call) {
    String header = call.header("Authorization");
    boolean bearer = header != null && header.toLowerCase(Locale.ROOT).startsWith(BEARER);
    String shown = bearer ? header.substring(BEARER.length()).strip() : "";
    return shown.getBytes(StandardCharsets.UTF_8);
  }

  private static boolean sameHost(String origin, String host) {
    try {
      return host != null && host.equalsIgnoreCase(URI.create(origin).getRawAuthority());
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  private static String withoutPort(String host) {
    return host.replaceFirst(":\\d*$", "").toLowerCase(Locale.ROOT);
  }
}
