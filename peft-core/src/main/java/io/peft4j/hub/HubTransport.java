package io.peft4j.hub;

import static io.peft4j.hub.HubRequest.plain;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.time.Duration;
import java.util.Objects;

/**
 * Sends requests and follows redirects. The token goes to the hub's origin and nowhere else; a
 * redirect never leads from encrypted to unencrypted; a HEAD request follows only as long as it
 * stays with the hub, whose own answer says what a file is.
 */
final class HubTransport {
  private static final int MAX_REDIRECTS = 10;

  /** A connection takes no longer, however slow the bytes are that follow. */
  private static final Duration LONGEST_TO_CONNECT = Duration.ofSeconds(10);

  private final HubConfig config;
  private final HttpClient http;

  HubTransport(HubConfig config) {
    this.config = config;
    this.http =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1) // one large body at a time: HTTP/2 gains nothing
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(shorter(config.timeout(), LONGEST_TO_CONNECT))
            .build();
  }

  /**
   * @param out what {@code handler} writes the body to, or null if there is none
   * @return the answer: a success, a redirect that a HEAD request does not follow, or 416
   * @throws HubException if the answer is an error
   * @throws IOException if there is no answer, or its body stops coming
   */
  <T> HttpResponse<T> send(HubRequest asked, BodyHandler<T> handler, Incoming out)
      throws IOException {
    URI target = asked.address();
    for (int hop = 0; hop <= MAX_REDIRECTS; hop++) {
      HttpRequest request = request(asked, target);
      HttpResponse<T> answer =
          Exchange.await(http.sendAsync(request, handler), out, config.timeout(), target);
      int status = answer.statusCode();
      if (status >= 400 && status != 416) {
        throw HubErrors.of(answer, asked, config, isHub(target));
      }
      if (!isRedirect(status)) {
        return answer;
      }
      URI next = target.resolve(location(answer));
      if (asked.method().equals("HEAD") && !isHub(next)) {
        return answer;
      }
      boolean asSafe = target.getScheme().equals(next.getScheme());
      if ((!asSafe && !"https".equals(next.getScheme())) || next.getHost() == null) {
        throw new HubException(plain(target) + " sends on to the unsafe " + plain(next));
      }
      target = next;
    }
    throw new HubException(
        plain(asked.address()) + " sends on more than " + MAX_REDIRECTS + " times");
  }

  private HttpRequest request(HubRequest asked, URI target) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(target)
            .method(asked.method(), HttpRequest.BodyPublishers.noBody())
            .timeout(config.timeout())
            .header("Accept-Encoding", "identity")
            .header("User-Agent", "peft4j");
    if (asked.from() > 0) {
      request.header("Range", "bytes=" + asked.from() + "-");
    }
    if (config.token() != null && isHub(target)) {
      request.header("Authorization", "Bearer " + config.token());
    }
    return request.build();
  }

  private static Duration shorter(Duration a, Duration b) {
    return a.compareTo(b) < 0 ? a : b;
  }

  static boolean isRedirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  }

  private boolean isHub(URI target) {
    URI endpoint = config.endpoint();
    return endpoint.getScheme().equals(target.getScheme())
        && Objects.equals(endpoint.getAuthority(), target.getAuthority());
  }

  private static URI location(HttpResponse<?> answer) throws HubException {
    String location = answer.headers().firstValue("Location").orElse("");
    try {
      return new URI(location);
    } catch (URISyntaxException e) {
      // the exception would show all of it
      throw new HubException(
          plain(answer.uri()) + " sends on to the malformed '" + plain(location) + "'");
    }
  }
}
