package io.peft4j.hub;

import static io.peft4j.hub.HubRequest.plain;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.io.JsonErrors;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What the hub is asked: what a revision stands for, what a file is, and its bytes.
 *
 * <p>A file's address answers with the file or sends on to a store elsewhere. Its checksum and size
 * are on the hub's own answer: {@code X-Linked-Etag} and {@code X-Linked-Size}, else {@code ETag}
 * and {@code Content-Length}.
 */
final class HubClient {
  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  private final URI endpoint;
  private final Retry retry;
  private final HubTransport transport;
  private final HubConfig config;

  HubClient(HubConfig config) {
    this.config = config;
    this.endpoint = config.endpoint();
    this.retry = new Retry(config.retries(), config.retryDelay());
    this.transport = new HubTransport(config);
  }

  /** What a revision stands for, and the files it has. */
  record Listing(String commit, List<String> files) {}

  /**
   * What the hub says of a file.
   *
   * @param etag names its content, see {@link Checksum}
   * @param size in bytes
   */
  record FileInfo(String etag, long size) {}

  /**
   * @throws HubException if there is no such model or revision, it may not be read, or it lists a
   *     file that would lie outside its folder
   * @throws UnreachableException at once, if there is no connection to the hub
   */
  Listing list(ModelId id) throws IOException {
    URI address = at("/api/models/" + id.repository() + "/revision/" + encode(id.revision()));
    HubRequest request = new HubRequest("GET", address, 0, id, null);
    byte[] body =
        retry.run(
            () -> {
              Document document = new Document(address);
              try {
                transport.send(request, document::subscriber, document);
              } catch (IOException e) {
                throw UnreachableException.of(e, id, config);
              }
              return document.bytes();
            },
            () -> 0);
    try {
      JsonNode answer = JSON.readTree(body);
      String commit = answer.path("sha").asText();
      if (!ModelId.COMMIT.matcher(commit).matches()) {
        throw new HubException(
            plain(address) + " should name a commit as sha, found '" + commit + "'");
      }
      List<String> files = new ArrayList<>();
      for (JsonNode sibling : answer.path("siblings")) {
        String name = sibling.path("rfilename").asText();
        if (ModelFiles.isUnsafe(name)) {
          throw new HubException(
              id + " lists the file '" + name + "', which would lie outside its folder");
        }
        files.add(name);
      }
      return new Listing(commit, files);
    } catch (JsonProcessingException e) {
      throw new HubException(
          plain(address) + " did not answer with JSON: " + JsonErrors.sentence(e), e);
    }
  }

  /**
   * @throws HubException if there is no such file or the hub does not name its content
   */
  FileInfo info(ModelId id, String commit, String file) throws IOException {
    URI address = fileAddress(id, commit, file);
    HubRequest request = new HubRequest("HEAD", address, 0, id, file);
    HttpResponse<Void> response =
        retry.run(() -> transport.send(request, BodyHandlers.discarding(), null), () -> 0);
    var headers = response.headers();
    String etag =
        headers
            .firstValue("X-Linked-Etag")
            .or(() -> headers.firstValue("ETag"))
            .orElse("")
            .replaceFirst("^W/", "")
            .replace("\"", "");
    if (!etag.matches("\\w[\\w.-]*")) {
      throw new HubException(plain(address) + " has no usable ETag, found '" + etag + "'");
    }
    String answered = headers.firstValue("X-Repo-Commit").orElse(commit);
    if (!answered.equals(commit)) {
      throw new HubException(plain(address) + " answered for commit " + answered);
    }
    boolean elsewhere = HubTransport.isRedirect(response.statusCode());
    String size =
        headers
            .firstValue("X-Linked-Size")
            .or(() -> elsewhere ? Optional.empty() : headers.firstValue("Content-Length"))
            .orElse("");
    if (!size.matches("\\d{1,18}")) {
      // Python refuses it too
      throw new HubException(plain(address) + " has no usable size, found '" + size + "'");
    }
    return new FileInfo(etag, Long.parseLong(size));
  }

  /**
   * Completes {@code part}, which may hold the file's beginning from an earlier attempt.
   *
   * @throws IOException if the connection is lost again and again; {@code part} then keeps what
   *     came
   */
  void download(
      ModelId id, String commit, String file, FileInfo info, Path part, DownloadProgress progress)
      throws IOException {
    URI address = fileAddress(id, commit, file);
    checkSize(id, file, info, part);
    if (!Files.exists(part)) {
      Files.createFile(part);
    }
    retry.run(
        () -> {
          attempt(id, address, file, info, part, progress);
          return null;
        },
        () -> Files.size(part));
  }

  private static void checkSize(ModelId id, String file, FileInfo info, Path part)
      throws IOException {
    long most = ModelFiles.mostBytes(file);
    if (info.size() > most) {
      throw new HubException(
          String.format(
              Locale.ROOT,
              "%s of %s should have at most %d bytes, the hub says %d",
              file,
              id,
              most,
              info.size()));
    }
    long there = Files.exists(part) ? Files.size(part) : 0;
    long free = Files.getFileStore(part.getParent()).getUsableSpace();
    if (info.size() - there > free) {
      throw new HubException(
          String.format(
              Locale.ROOT,
              "%s of %s needs %d bytes in %s, where %d are free",
              file,
              id,
              info.size() - there,
              part.getParent(),
              free));
    }
  }

  private void attempt(
      ModelId id, URI address, String file, FileInfo info, Path part, DownloadProgress progress)
      throws IOException {
    long start = Files.size(part);
    if (start == info.size()) {
      progress.progressed(file, start, info.size());
      return;
    }
    if (start > info.size()) {
      start = 0; // too long to be this file's beginning
    }
    try (PartFile out =
        new PartFile(
            part, start, info.size(), done -> progress.progressed(file, done, info.size()))) {
      BodyHandler<Void> handler =
          answer ->
              out.accept(answer)
                  ? BodySubscribers.ofByteArrayConsumer(out)
                  : BodySubscribers.discarding();
      HubRequest request = new HubRequest("GET", address, start, id, file);
      if (transport.send(request, handler, out).statusCode() == 416) {
        out.restart(); // what is there reaches beyond the end, so it is not this file's beginning
        throw new IOException(plain(address) + " has no bytes from " + start);
      }
    }
    if (Files.size(part) < info.size()) {
      throw new IOException(
          plain(address) + " ended after " + Files.size(part) + " of " + info.size() + " bytes");
    }
  }

  private URI fileAddress(ModelId id, String commit, String file) {
    StringBuilder path = new StringBuilder("/" + id.repository() + "/resolve/" + commit);
    for (String part : file.split("/")) {
      path.append('/').append(encode(part));
    }
    return at(path.toString());
  }

  private URI at(String path) {
    return URI.create(endpoint + path);
  }

  private static String encode(String part) {
    return URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
