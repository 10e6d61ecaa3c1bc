package io.peft4j.hub;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Answers as the hub does: small files come from another path of the hub itself, large ones from a
 * store with another address, behind a redirect that carries checksum and size. Python's client is
 * served by it too. Faults can be switched on.
 */
final class FakeHub implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern API = Pattern.compile("/api/models/(.+)/(revision|tree)/([^/]+)");
  private static final Pattern RESOLVE = Pattern.compile("/(.+?)/resolve/([^/]+)/(.+)");
  private static final Pattern CACHED =
      Pattern.compile("/api/resolve-cache/models/(.+?)/([0-9a-f]{40})/(.+)");

  /** A request that came. */
  record Seen(boolean atStore, String method, String path, String token, String range) {}

  /** A repository: revisions' commits, and each commit's files. */
  static final class Repository {
    final Map<String, String> revisions = new TreeMap<>();
    final Map<String, Map<String, byte[]>> commits = new TreeMap<>();
    String gatedUnless = null;
    String privateUnless = null;

    Repository commit(String revision, String commit, Map<String, byte[]> files) {
      revisions.put(revision, commit);
      commits.put(commit, new TreeMap<>(files));
      return this;
    }
  }

  final Map<String, Repository> repositories = new ConcurrentHashMap<>();
  final Map<String, String> renamed = new ConcurrentHashMap<>();
  final List<Seen> seen = new CopyOnWriteArrayList<>();

  /** How many bodies from the store are still to be cut, and after how many bytes. */
  final AtomicInteger cuts = new AtomicInteger();

  volatile int cutAfter;
  final AtomicInteger stalls = new AtomicInteger();

  /** How many requests are still to fail with 503. */
  final AtomicInteger outages = new AtomicInteger();

  /** How many bytes too many bodies have, after all that were announced. */
  volatile long excess;

  /** Whether a body's length is left to be found out. */
  volatile boolean chunked;

  /** How long to wait before each further byte, or 0 to send a file at once. */
  volatile long trickleMillis;

  /** What is said instead of a file's size, or null. */
  volatile String size;

  /** Appended to the address of the store, or instead of it. */
  volatile String location;

  final AtomicLong excessSent = new AtomicLong();

  volatile boolean repeatsToken;
  volatile boolean corrupt;
  volatile boolean ignoresRange;
  volatile int rangeError;
  volatile String etag;
  volatile String api;
  volatile long slowMillis;

  private final HttpServer hub;
  private final HttpServer store;
  private final ExecutorService threads = Executors.newCachedThreadPool();

  FakeHub() throws IOException {
    hub = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    store = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    hub.createContext("/", exchange -> handle(exchange, false));
    store.createContext("/", exchange -> handle(exchange, true));
    for (HttpServer server : List.of(hub, store)) {
      server.setExecutor(threads);
      server.start();
    }
  }

  URI endpoint() {
    return URI.create("http://127.0.0.1:" + hub.getAddress().getPort());
  }

  /** Requests for a file's bytes from the store. */
  List<Seen> storeGets() {
    return seen.stream().filter(s -> s.atStore() && s.method().equals("GET")).toList();
  }

  static boolean isLarge(String file) {
    return file.endsWith(".safetensors") || file.endsWith(".bin") || file.endsWith(".onnx");
  }

  static String etagOf(String file, byte[] content) {
    return isLarge(file) ? Hashes.sha256(content) : Hashes.gitBlob(content);
  }

  private void handle(HttpExchange exchange, boolean atStore) throws IOException {
    try (exchange) {
      String path = exchange.getRequestURI().getRawPath();
      seen.add(
          new Seen(
              atStore,
              exchange.getRequestMethod(),
              path,
              exchange.getRequestHeaders().getFirst("Authorization"),
              exchange.getRequestHeaders().getFirst("Range")));
      if (outages.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
        error(exchange, 503, "", "");
      } else if (atStore) {
        send(exchange, stored(path), true);
      } else {
        atHub(exchange, path);
      }
    }
  }

  private byte[] stored(String path) {
    String sha = path.substring(path.lastIndexOf('/') + 1);
    return repositories.values().stream()
        .flatMap(repository -> repository.commits.values().stream())
        .flatMap(files -> files.values().stream())
        .filter(content -> Hashes.sha256(content).equals(sha))
        .findFirst()
        .orElseThrow();
  }

  private void atHub(HttpExchange exchange, String path) throws IOException {
    for (Map.Entry<String, String> old : renamed.entrySet()) {
      if (path.contains("/" + old.getKey() + "/")) {
        redirect(exchange, path.replace(old.getKey(), old.getValue()), 307);
        return;
      }
    }
    Matcher cached = CACHED.matcher(path);
    Matcher api = API.matcher(path);
    Matcher resolve = RESOLVE.matcher(path);
    if (cached.matches()) {
      byte[] content =
          repositories
              .get(cached.group(1))
              .commits
              .get(cached.group(2))
              .get(decode(cached.group(3)));
      exchange.getResponseHeaders().set("ETag", '"' + etag(cached.group(3), content) + '"');
      exchange.getResponseHeaders().set("X-Repo-Commit", cached.group(2));
      send(exchange, content, false);
    } else if (api.matches()) {
      answerApi(exchange, api.group(1), api.group(2), decode(api.group(3)));
    } else if (resolve.matches()) {
      answerResolve(exchange, resolve.group(1), decode(resolve.group(2)), decode(resolve.group(3)));
    } else {
      error(exchange, 404, "", "");
    }
  }

  private void answerApi(HttpExchange exchange, String name, String what, String revision)
      throws IOException {
    Repository repository = repositories.get(name);
    String token = token(exchange);
    if (repository == null || denied(repository.privateUnless, token)) {
      if (token != null && token.equals("expired")) {
        error(exchange, 401, "", "Invalid credentials in Authorization header");
      } else if (token == null) {
        error(exchange, 401, "RepoNotFound", "Invalid username or password.");
      } else {
        error(exchange, 404, "RepoNotFound", "Repository not found");
      }
      return;
    }
    String commit = commit(repository, revision);
    if (commit == null) {
      error(exchange, 404, "RevisionNotFound", "Invalid rev id: " + revision);
      return;
    }
    Map<String, byte[]> files = repository.commits.get(commit);
    String body = what.equals("tree") ? tree(files) : listing(name, commit, files);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    byte[] answer = (api == null ? body : api).getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(200, excess > 0 ? 0 : answer.length);
    exchange.getResponseBody().write(answer);
    sendExcess(exchange.getResponseBody());
  }

  private static String listing(String name, String commit, Map<String, byte[]> files) {
    ObjectNode root = JSON.createObjectNode().put("id", name).put("sha", commit);
    root.put("modelId", name).put("private", false);
    ArrayNode siblings = root.putArray("siblings");
    files.keySet().forEach(file -> siblings.addObject().put("rfilename", file));
    return root.toString();
  }

  private static String tree(Map<String, byte[]> files) {
    ArrayNode root = JSON.createArrayNode();
    files.forEach(
        (file, content) -> {
          ObjectNode entry = root.addObject().put("type", "file").put("path", file);
          entry.put("size", content.length).put("oid", Hashes.gitBlob(content));
          if (isLarge(file)) {
            entry
                .putObject("lfs")
                .put("oid", Hashes.sha256(content))
                .put("size", content.length)
                .put("pointerSize", 134);
          }
        });
    return root.toString();
  }

  private void answerResolve(HttpExchange exchange, String name, String revision, String file)
      throws IOException {
    Repository repository = repositories.get(name);
    if (denied(repository.gatedUnless, token(exchange))) {
      boolean anonymous = token(exchange) == null;
      error(
          exchange,
          anonymous ? 401 : 403,
          "GatedRepo",
          "Access to model " + name + " is restricted.");
      return;
    }
    String commit = commit(repository, revision);
    byte[] content = repository.commits.get(commit).get(file);
    if (content == null) {
      error(exchange, 404, "EntryNotFound", "Entry not found");
      return;
    }
    exchange.getResponseHeaders().set("X-Repo-Commit", commit);
    if (isLarge(file)) {
      exchange.getResponseHeaders().set("X-Linked-Etag", '"' + etag(file, content) + '"');
      exchange.getResponseHeaders().set("X-Linked-Size", size == null ? "" + content.length : size);
      exchange.getResponseHeaders().set("ETag", "\"of-the-redirect\"");
      int port = store.getAddress().getPort();
      String sha = Hashes.sha256(content);
      String stored = "http://localhost:" + port + "/store/" + sha + "?Signature=secret";
      redirect(exchange, location == null ? stored : location, 302);
    } else {
      redirect(exchange, "/api/resolve-cache/models/" + name + "/" + commit + "/" + file, 307);
    }
  }

  private static boolean denied(String unless, String token) {
    return unless != null && !unless.equals(token);
  }

  private String etag(String file, byte[] content) {
    return etag != null ? etag : etagOf(file, content);
  }

  private static String commit(Repository repository, String revision) {
    return repository.commits.containsKey(revision) ? revision : repository.revisions.get(revision);
  }

  private static String token(HttpExchange exchange) {
    String header = exchange.getRequestHeaders().getFirst("Authorization");
    return header == null ? null : header.replace("Bearer ", "");
  }

  private static void redirect(HttpExchange exchange, String to, int status) throws IOException {
    exchange.getResponseHeaders().set("Location", to);
    exchange.sendResponseHeaders(status, -1);
  }

  private void error(HttpExchange exchange, int status, String code, String message)
      throws IOException {
    if (!code.isEmpty()) {
      exchange.getResponseHeaders().set("X-Error-Code", code);
    }
    String said = repeatsToken ? message + " for " + token(exchange) : message;
    if (!said.isEmpty()) {
      exchange.getResponseHeaders().set("X-Error-Message", said);
    }
    exchange.sendResponseHeaders(status, -1);
  }

  private void send(HttpExchange exchange, byte[] whole, boolean faulty) throws IOException {
    byte[] content = whole.clone();
    if (corrupt && content.length > 0) {
      content[content.length - 1] ^= 1;
    }
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", "" + content.length);
      exchange.sendResponseHeaders(200, -1);
      return;
    }
    String range = exchange.getRequestHeaders().getFirst("Range");
    int start = 0;
    if (range != null && !ignoresRange) {
      start = Integer.parseInt(range.replaceAll("bytes=(\\d+)-", "$1"));
      if (start >= content.length) {
        error(exchange, 416, "", "");
        return;
      }
      exchange
          .getResponseHeaders()
          .set(
              "Content-Range",
              "bytes " + (start + rangeError) + "-" + (content.length - 1) + "/" + content.length);
    }
    byte[] body = Arrays.copyOfRange(content, start, content.length);
    long length = faulty && chunked ? 0 : faulty ? body.length + excess : body.length;
    exchange.sendResponseHeaders(start > 0 ? 206 : 200, body.length == 0 ? -1 : length);
    OutputStream out = exchange.getResponseBody();
    for (int i = 0; faulty && trickleMillis > 0 && i < body.length; i++) {
      out.write(body[i]);
      out.flush();
      pause(trickleMillis);
    }
    if (faulty && cuts.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
      out.write(body, 0, Math.min(cutAfter, body.length - 1));
      out.flush();
      return; // closing the exchange now cuts the connection
    }
    boolean stall = faulty && stalls.getAndUpdate(n -> Math.max(0, n - 1)) > 0;
    out.write(body, 0, body.length / 2);
    out.flush();
    pause(stall ? 60_000 : faulty ? slowMillis : 0);
    out.write(body, body.length / 2, body.length - body.length / 2);
    if (faulty) {
      sendExcess(out);
    }
  }

  private void sendExcess(OutputStream out) throws IOException {
    byte[] piece = new byte[1 << 16];
    Arrays.fill(piece, (byte) ' ');
    for (long sent = 0; sent < excess; sent += piece.length) {
      out.write(piece, 0, (int) Math.min(piece.length, excess - sent));
      excessSent.addAndGet(piece.length);
    }
  }

  private static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static String decode(String part) {
    return URLDecoder.decode(part, StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    hub.stop(0);
    store.stop(0);
    threads.shutdownNow();
  }
}
