package io.peft4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.serve.EmbeddingHead;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** A tiny model, served on a free port, and a client of it. */
final class Served implements AutoCloseable {

  static final Path GOLDEN = Path.of("..", "peft-core", "src", "test", "resources", "golden");
  static final Path LLAMA = GOLDEN.resolve("causal/llama");
  static final Path ADAPTER = GOLDEN.resolve("causal/adapter");

  final Model model;
  final AdapterRouter router;
  final ServedModel served;
  final PeftServer server;
  final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  /** A response. */
  record Answer(int status, HttpResponse<?> response, String text) {
    JsonNode json() {
      try {
        return JsonFiles.MAPPER.readTree(text);
      } catch (IOException e) {
        throw new AssertionError(text, e);
      }
    }

    String header(String name) {
      return response.headers().firstValue(name).orElse(null);
    }

    /** {@return the events of a stream, the one that ends it left out} */
    List<JsonNode> events() {
      List<JsonNode> all = new ArrayList<>();
      for (String line : text.lines().filter(line -> line.startsWith("data: ")).toList()) {
        if (!line.equals("data: [DONE]")) {
          all.add(new Answer(200, null, line.substring(6)).json());
        }
      }
      return all;
    }
  }

  private Served(
      ServedModel.Kind kind,
      Path folder,
      UnaryOperator<AdapterRouter.Builder> engine,
      UnaryOperator<ServerConfig.Builder> config)
      throws IOException {
    model =
        switch (kind) {
          case LANGUAGE_MODEL -> CausalLm.load(folder, LoadOptions.DEFAULT).model();
          case CLASSIFIER -> Model.load(folder, LoadOptions.DEFAULT);
          case ENCODER -> Model.load(folder, LoadOptions.DEFAULT, EmbeddingHead.KIND);
        };
    router = engine.apply(AdapterRouter.builder(model)).build();
    served =
        switch (kind) {
          case LANGUAGE_MODEL -> ServedModel.languageModel("base", folder, model, router);
          case CLASSIFIER -> ServedModel.classifier("base", folder, model, router);
          case ENCODER -> ServedModel.encoder("base", folder, model, router);
        };
    server = PeftServer.start(served, config.apply(ServerConfig.builder().port(0)).build());
  }

  /** A language model with one adapter, {@code tuned}. */
  static Served llama() throws IOException {
    return llama(engine -> engine, config -> config);
  }

  static Served llama(
      UnaryOperator<AdapterRouter.Builder> engine, UnaryOperator<ServerConfig.Builder> config)
      throws IOException {
    Served made = new Served(ServedModel.Kind.LANGUAGE_MODEL, LLAMA, engine, config);
    made.served.register("tuned", ADAPTER);
    return made;
  }

  static Served of(ServedModel.Kind kind, Path folder) throws IOException {
    return new Served(kind, folder, engine -> engine, config -> config);
  }

  HttpRequest.Builder request(String path, String... headers) {
    HttpRequest.Builder builder = HttpRequest.newBuilder(URI.create(server.uri() + path));
    return headers.length == 0 ? builder : builder.headers(headers);
  }

  Answer get(String path, String... headers) throws IOException, InterruptedException {
    return send(request(path, headers).GET().build());
  }

  Answer post(String path, String json, String... headers)
      throws IOException, InterruptedException {
    HttpRequest.BodyPublisher body = HttpRequest.BodyPublishers.ofString(json);
    return send(request(path, headers).POST(body).build());
  }

  Answer send(HttpRequest request) throws IOException, InterruptedException {
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    return new Answer(response.statusCode(), response, response.body());
  }

  /** {@return the lines of a stream, as they come} */
  Stream<String> lines(String path, String json) throws IOException, InterruptedException {
    HttpRequest request = request(path).POST(HttpRequest.BodyPublishers.ofString(json)).build();
    return client.send(request, HttpResponse.BodyHandlers.ofLines()).body();
  }

  @Override
  public void close() {
    server.close();
    served.close();
    router.close();
    model.close();
  }
}
