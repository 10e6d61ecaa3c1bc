package io.peft4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is refused, and in which words; who is answered. */
class ServerRulesTest {

  private static final String COMPLETIONS = "/v1/completions";
  private static final String CHAT = "/v1/chat/completions";

  private static Served served;

  @BeforeAll
  static void serve() throws IOException {
    served = Served.llama(engine -> engine, config -> config.maxBody(2000).maxSequences(4));
  }

  @AfterAll
  static void end() {
    served.close();
  }

  private static JsonNode error(Served.Answer answer, int status) {
    assertEquals(status, answer.status(), answer.text());
    assertEquals("application/json", answer.header("Content-Type"));
    JsonNode error = answer.json().path("error");
    assertTrue(error.path("message").isTextual() && error.has("type"), answer.text());
    assertTrue(error.has("param") && error.has("code"), answer.text());
    return error;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "max_tokens      | \"ten\"",
        "max_tokens      | 0",
        "max_tokens      | 1.5",
        "max_tokens      | 99999999999",
        "temperature     | 3",
        "temperature     | \"hot\"",
        "top_p           | 1.5",
        "n               | 0",
        "n               | 5",
        "seed            | \"x\"",
        "stream          | 1",
        "stop            | [1]",
        "stop            | \"\"",
        "logprobs        | true",
        "logprobs        | 21",
        "echo            | \"yes\"",
        "model           | 7",
        "prompt          | {}",
        "prompt          | []",
        "prompt          | [999999]",
        "prompt          | [-1]",
        "prompt          | [[1],\"a\",[2.5]]",
        "logit_bias      | {\"5\":1}",
        "presence_penalty | 0.5",
        "frequency_penalty | -1",
        "suffix          | \"end\"",
        "best_of         | 3",
        "stream_options  | {\"include_usage\":true}",
        "use_beam_search | true",
      })
  void wrongAndUnsupportedKeysAreNamed(String key, String value) throws Exception {
    String rest = key.equals("prompt") ? "" : ",\"prompt\":\"a\"";
    Served.Answer answer = served.post(COMPLETIONS, "{\"" + key + "\":" + value + rest + "}");
    JsonNode error = error(answer, 400);
    assertEquals("invalid_request_error", error.path("type").asText());
    assertEquals(key, error.path("param").asText());
    assertTrue(error.path("message").asText().contains("'" + key + "'"), answer.text());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "messages        | \"hi\"",
        "messages        | []",
        "messages        | [{\"content\":\"no role\"}]",
        "messages        | [{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]",
        "top_logprobs    | 2",
        "tool_choice     | \"required\"",
        "response_format | {\"type\":\"json_object\"}",
        "tools           | {}",
        "reasoning_effort | \"high\"",
        "functions       | [{}]",
        "parallel_tool_calls | false",
      })
  void chatNamesThemToo(String key, String value) throws Exception {
    String rest =
        key.equals("messages") ? "" : ",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]";
    JsonNode error = error(served.post(CHAT, "{\"" + key + "\":" + value + rest + "}"), 400);
    String named = key.equals("tools") ? "messages" : key;
    assertEquals(named, error.path("param").asText(), error.toString());
  }

  @Test
  void harmlessKeysAreTaken() throws Exception {
    String body =
        "{\"prompt\":\"a\",\"max_tokens\":2,\"user\":\"u\",\"presence_penalty\":0,"
            + "\"frequency_penalty\":0.0,\"logit_bias\":{},\"best_of\":1,\"suffix\":null,"
            + "\"logprobs\":null,\"stop\":null,\"stream\":false,\"metadata\":{\"a\":\"b\"}}";
    assertEquals(200, served.post(COMPLETIONS, body).status());
  }

  @Test
  void bodiesAreJsonObjects() throws Exception {
    for (String body : List.of("", "{", "[]", "3", "{} x", "{\"n\":1,\"n\":2}", "\u0000")) {
      error(served.post(COMPLETIONS, body), 400);
    }
    byte[] latin = "{\"prompt\":\"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1);
    HttpRequest request =
        served.request(COMPLETIONS).POST(HttpRequest.BodyPublishers.ofByteArray(latin)).build();
    error(served.send(request), 400);
    error(served.post(COMPLETIONS, "[".repeat(1500)), 400);
  }

  @Test
  void bodiesHaveALimit() throws Exception {
    String body = "{\"prompt\":\"" + "a".repeat(3000) + "\"}";
    assertEquals(
        "request_too_large", error(served.post(COMPLETIONS, body), 413).path("code").asText());
    HttpRequest chunked =
        served
            .request(COMPLETIONS)
            .POST(
                HttpRequest.BodyPublishers.ofInputStream(
                    () -> new java.io.ByteArrayInputStream(body.getBytes(StandardCharsets.UTF_8))))
            .build();
    error(served.send(chunked), 413);
  }

  @Test
  void promptsHaveToFit() throws Exception {
    String long_ = "\"prompt\":[" + "5,".repeat(127) + "5]";
    JsonNode error = error(served.post(COMPLETIONS, "{" + long_ + "}"), 400);
    assertEquals("context_length_exceeded", error.path("code").asText());
    error = error(served.post(COMPLETIONS, "{\"prompt\":[5,5],\"max_tokens\":127}"), 400);
    assertEquals("context_length_exceeded", error.path("code").asText());
    assertEquals("max_tokens", error.path("param").asText());
    assertEquals(200, served.post(COMPLETIONS, "{\"prompt\":[5,5],\"max_tokens\":126}").status());
  }

  @Test
  void unknownModelsPathsAndMethods() throws Exception {
    JsonNode error = error(served.post(COMPLETIONS, "{\"model\":\"none\",\"prompt\":\"a\"}"), 404);
    assertEquals("model_not_found", error.path("code").asText());
    assertEquals("model", error.path("param").asText());
    error(served.post(COMPLETIONS, "{\"prompt\":\"a\"}", "X-Adapter", "none"), 404);
    error(
        served.post(COMPLETIONS, "{\"model\":\"other\",\"prompt\":\"a\"}", "X-Adapter", "tuned"),
        400);
    error(served.get("/v1/models/none"), 404);
    error(served.get("/v1/nothing"), 404);
    error(served.get("/page.html"), 404);
    Served.Answer wrong = served.get(COMPLETIONS);
    error(wrong, 405);
    assertEquals("POST", wrong.header("Allow"));
    error(served.post("/v1/models", "{}"), 405);
    error(served.post("/v1/load_lora_adapter", "{}"), 404); // unless allowed
    error(served.post("/v1/embeddings", "{\"input\":\"a\"}"), 404); // of an encoder
  }

  @Test
  void modelsAreListedWithTheirParent() throws Exception {
    JsonNode list = served.get("/v1/models").json();
    Map<String, String> parents =
        list.path("data").findValuesAsText("id").stream()
            .collect(Collectors.toMap(id -> id, id -> ""));
    assertEquals(2, parents.size());
    assertTrue(list.at("/data/0/parent").isNull());
    assertEquals("base", list.at("/data/0/id").asText());
    assertEquals("base", list.at("/data/1/parent").asText());
    assertEquals(list.at("/data/1"), served.get("/v1/models/tuned").json());
    assertTrue(!list.toString().contains("golden"), "no folders of the server");
  }

  @Test
  void metricsAreInPrometheusFormat() throws Exception {
    served.post(COMPLETIONS, "{\"model\":\"tuned\",\"prompt\":\"a\",\"max_tokens\":2}");
    Served.Answer answer = served.get("/metrics");
    assertEquals(200, answer.status());
    assertTrue(answer.header("Content-Type").startsWith("text/plain; version=0.0.4"));
    String type = "";
    for (String line : answer.text().split("\n")) {
      String sample = "[a-z_]+(\\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\\})? [0-9.eE+-]+";
      assertTrue(line.matches("# (HELP|TYPE) [a-z_]+ .+|" + sample), line);
      if (line.startsWith("# TYPE ")) {
        type = line.split(" ")[2];
      } else if (!line.startsWith("#")) {
        assertTrue(line.startsWith(type), line + " under " + type);
      }
    }
    assertTrue(
        answer.text().contains("peft_http_requests_total{path=\"/v1/completions\",status=\"200\"}"),
        answer.text());
    assertTrue(!answer.text().contains("nothing"), "paths that callers made up are no labels");
  }

  @Test
  void thePageLoadsNothingFromElsewhere() throws Exception {
    Served.Answer page = served.get("/");
    assertEquals(200, page.status());
    assertTrue(page.header("Content-Security-Policy").contains("default-src 'none'"));
    assertTrue(!page.text().matches("(?s).*(src|href)=\"?https?:.*"), "no addresses elsewhere");
  }

  @Test
  void otherPagesOfABrowserAreRefused() throws Exception {
    String body = "{\"prompt\":\"a\",\"max_tokens\":1}";
    error(served.post(COMPLETIONS, body, "Origin", "http://evil.example"), 403);
    error(served.post(COMPLETIONS, body, "Origin", "null"), 403);
    assertEquals(
        200, served.post(COMPLETIONS, body, "Origin", served.server.uri().toString()).status());
    String rebound = raw("GET /v1/models HTTP/1.1\r\nHost: evil.example:8000\r\n\r\n");
    assertTrue(rebound.startsWith("HTTP/1.1 403"), rebound);
  }

  private static String raw(String request) throws IOException {
    try (Socket socket =
        new Socket(InetAddress.getLoopbackAddress(), served.server.address().getPort())) {
      socket.setSoTimeout(2000);
      OutputStream out = socket.getOutputStream();
      out.write(request.getBytes(StandardCharsets.ISO_8859_1));
      out.flush();
      byte[] bytes = new byte[4096];
      int n = socket.getInputStream().read(bytes);
      return n < 0 ? "" : new String(bytes, 0, n, StandardCharsets.ISO_8859_1);
    }
  }

  @Test
  void headersHaveALimit() throws Exception {
    StringBuilder many = new StringBuilder();
    for (int i = 0; i < 500; i++) {
      many.append("X-").append(i).append(": b\r\n");
    }
    String said = raw("GET /health HTTP/1.1\r\nHost: localhost\r\n" + many + "\r\n");
    assertTrue(said.isEmpty() || said.startsWith("HTTP/1.1 4"), said);
    assertEquals(200, served.get("/health").status());
  }

  @Test
  void theKeyIsAskedFor() throws Exception {
    try (Served locked = Served.llama(e -> e, config -> config.apiKey("s3cret"))) {
      String body = "{\"prompt\":\"a\",\"max_tokens\":1}";
      for (String header :
          List.of("", "Bearer ", "Bearer s3cre", "Bearer s3cretx", "Basic s3cret")) {
        Served.Answer answer =
            header.isEmpty()
                ? locked.post(COMPLETIONS, body)
                : locked.post(COMPLETIONS, body, "Authorization", header);
        error(answer, 401);
        assertEquals("Bearer", answer.header("WWW-Authenticate"));
      }
      for (String header : List.of("Bearer s3cret", "bearer  s3cret")) {
        assertEquals(200, locked.post(COMPLETIONS, body, "Authorization", header).status());
      }
      error(locked.get("/v1/models"), 401);
      error(locked.get("/metrics"), 401);
      for (String open : List.of("/", "/health", "/ping")) {
        assertEquals(200, locked.get(open).status(), open);
      }
    }
  }

  @Test
  void othersAreNotServedWithoutAKey() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                PeftServer.start(
                    served.served, ServerConfig.builder().host("0.0.0.0").port(0).build()));
    assertTrue(e.getMessage().contains("API key"), e.getMessage());
    ServerConfig told =
        ServerConfig.builder().host("0.0.0.0").port(0).allowWithoutKey(true).build();
    try (PeftServer open = PeftServer.start(served.served, told)) {
      assertTrue(open.address().getPort() > 0);
    } catch (IOException io) {
      throw new AssertionError(io);
    }
  }

  /** The JDK's server takes these times from the system, once in a JVM: half a minute. */
  @Test
  @Tag("slow")
  void halfOpenAndSlowClientsAreCutOff() throws Exception {
    int port = served.server.address().getPort();
    List<Socket> sockets = new ArrayList<>();
    String head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n";
    for (String begun : List.of("", "POST /v1", head + "Content-Length: 100\r\n\r\n{\"prompt\"")) {
      Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
      socket.getOutputStream().write(begun.getBytes(StandardCharsets.US_ASCII));
      socket.setSoTimeout(3 * HttpProperties.SECONDS * 1000);
      sockets.add(socket);
    }
    for (Socket socket : sockets) {
      try (InputStream in = socket.getInputStream()) {
        long begin = System.nanoTime();
        int read = in.read();
        assertEquals(
            -1,
            read,
            String.format(Locale.ROOT, "after %d ms", (System.nanoTime() - begin) / 1_000_000));
      }
    }
    assertEquals(200, served.get("/health").status());
  }
}
