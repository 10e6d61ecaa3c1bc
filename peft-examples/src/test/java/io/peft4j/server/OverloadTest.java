package io.peft4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Too many requests, clients that leave, and the end. */
class OverloadTest {

  private static final String PATH = "/v1/completions";

  /** Nothing ends it early: the model's end token is drawn seldom enough, and never by greedy. */
  private static final String LONG =
      "{\"model\":\"tuned\",\"prompt\":\"The fox\",\"temperature\":0,\"max_tokens\":100";

  private static void await(BooleanSupplier what) throws InterruptedException {
    for (int i = 0; i < 500 && !what.getAsBoolean(); i++) {
      Thread.sleep(20);
    }
    assertTrue(what.getAsBoolean());
  }

  @Test
  void moreThanTheQueueHoldsIsTurnedAway() throws Exception {
    try (Served served = Served.llama(e -> e.batch(1).queue(2), config -> config)) {
      String body = LONG.replace("100", "30") + "}";
      String alone = served.post(PATH, body).json().at("/choices/0/text").asText();
      List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        HttpRequest request =
            served.request(PATH).POST(HttpRequest.BodyPublishers.ofString(body)).build();
        all.add(served.client.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
      }
      int refused = 0;
      for (CompletableFuture<HttpResponse<String>> each : all) {
        HttpResponse<String> response = each.get();
        Served.Answer answer = new Served.Answer(response.statusCode(), response, response.body());
        if (answer.status() == 429) {
          refused++;
          assertTrue(Integer.parseInt(answer.header("Retry-After")) >= 1);
          assertEquals("rate_limit_error", answer.json().at("/error/type").asText());
        } else {
          assertEquals(200, answer.status(), answer.text());
          assertEquals(alone, answer.json().at("/choices/0/text").asText());
        }
      }
      assertTrue(refused > 0 && refused < 16, refused + " of 16 turned away");
      assertEquals(200, served.post(PATH, body).status(), "there is room again");
      assertTrue(
          served.get("/metrics").text().contains("peft_sequences_total{outcome=\"rejected\"}"));
    }
  }

  @Test
  void aStreamsClientThatGoesIsNoticed() throws Exception {
    try (Served served = Served.llama()) {
      long before = served.router.metrics().counters().cancelled();
      try (Socket socket =
          new Socket(InetAddress.getLoopbackAddress(), served.server.address().getPort())) {
        String body = LONG + ",\"stream\":true}";
        String request =
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                + body.length()
                + "\r\n\r\n"
                + body;
        socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
        assertTrue(socket.getInputStream().read() > 0);
        socket.setSoLinger(true, 0); // reset
      }
      await(() -> served.router.metrics().counters().cancelled() == before + 1);
      assertEquals(0, served.router.metrics().gauges().running());
    }
  }

  @Test
  void whatRunsIsFinished() throws Exception {
    Served served = Served.llama();
    try (served) {
      Stream<String> lines = served.lines(PATH, LONG + ",\"stream\":true}");
      Iterator<String> each = lines.iterator();
      assertNotNull(each.next());
      assertEquals(0, served.server.close(Duration.ofSeconds(30)), "nothing cut");
      String last = "";
      while (each.hasNext()) {
        String line = each.next();
        last = line.isEmpty() ? last : line;
      }
      assertEquals("data: [DONE]", last);
    }
  }

  @Test
  void whatDoesNotEndInTimeIsToldSo() throws Exception {
    Served served = Served.llama(engine -> engine.batch(1), config -> config);
    try (served) {
      List<Stream<String>> streams = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        String body = LONG + ",\"n\":4,\"stream\":true}";
        HttpRequest request =
            served.request(PATH).POST(HttpRequest.BodyPublishers.ofString(body)).build();
        served
            .client
            .sendAsync(request, HttpResponse.BodyHandlers.ofLines())
            .thenAccept(response -> streams.add(response.body()));
      }
      await(() -> served.server.uri() != null && served.router.metrics().gauges().queued() > 20);
      int cut = served.server.close(Duration.ofMillis(10));
      assertTrue(cut > 0, "some were cut");
      await(() -> served.router.metrics().gauges().queued() == 0);
    }
  }
}
