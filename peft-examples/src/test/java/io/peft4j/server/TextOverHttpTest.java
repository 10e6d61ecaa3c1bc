package io.peft4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.GenerationListener;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Completions and chat, beside the same model run by itself with the same adapter. */
class TextOverHttpTest {

  private static final String PROMPT = "The quick brown fox";
  private static final GenerationListener NOBODY = (prompt, token, text) -> {};

  private static Served served;
  private static CausalLm alone;
  private static AdaptedModel adapted;
  private static CausalTokenizer tokenizer;

  @BeforeAll
  static void serve() throws IOException {
    served = Served.llama();
    alone = CausalLm.load(Served.LLAMA, LoadOptions.DEFAULT);
    adapted = new AdaptedModel(alone.model());
    AdapterMix.load(adapted, Served.ADAPTER);
    tokenizer = CausalTokenizer.of(Served.LLAMA, alone.model());
  }

  @AfterAll
  static void end() {
    served.close();
    tokenizer.close();
    adapted.close();
    alone.close();
  }

  /** What the adapter, run alone, adds to a prompt; {@code </s>} ends it, as the config says. */
  private static List<Generated> alone(int[] prompt, GenerationConfig config) {
    return new Generator(alone, tokenizer)
        .generate(List.of(prompt), config.with("eos_token_id", 1), NOBODY);
  }

  private static GenerationConfig greedy(int tokens) {
    return GenerationConfig.defaults().withMaxNewTokens(tokens);
  }

  private static String completion(String more) {
    return "{\"model\":\"tuned\",\"prompt\":\"" + PROMPT + "\",\"temperature\":0" + more + "}";
  }

  private static JsonNode good(Served.Answer answer) {
    assertEquals(200, answer.status(), answer.text());
    return answer.json();
  }

  @Test
  void completionsAreThoseOfTheAdapterAlone() throws Exception {
    Generated expected = alone(tokenizer.encode(PROMPT), greedy(12)).get(0);
    JsonNode answer = good(served.post("/v1/completions", completion(",\"max_tokens\":12")));
    assertEquals("text_completion", answer.path("object").asText());
    assertEquals("tuned", answer.path("model").asText());
    assertEquals(expected.text(), answer.at("/choices/0/text").asText());
    assertEquals("length", answer.at("/choices/0/finish_reason").asText());
    assertEquals(tokenizer.encode(PROMPT).length, answer.at("/usage/prompt_tokens").asInt());
    assertEquals(12, answer.at("/usage/completion_tokens").asInt());
    JsonNode bare =
        good(
            served.post(
                "/v1/completions", completion(",\"max_tokens\":12").replace("tuned", "base")));
    assertNotEquals(expected.text(), bare.at("/choices/0/text").asText());
    JsonNode header =
        good(
            served.post(
                "/v1/completions",
                completion(",\"max_tokens\":12").replace("tuned", "base"),
                "X-Adapter",
                "tuned"));
    assertEquals(answer.path("choices"), header.path("choices"));
  }

  @Test
  void tokensArePromptsToo() throws Exception {
    int[] prompt = tokenizer.encode(PROMPT);
    JsonNode texts = good(served.post("/v1/completions", completion(",\"max_tokens\":5")));
    String numbers = IntStream.of(prompt).boxed().toList().toString();
    String body = completion(",\"max_tokens\":5").replace("\"" + PROMPT + "\"", numbers);
    assertEquals(texts.path("choices"), good(served.post("/v1/completions", body)).path("choices"));
    String several =
        completion(",\"max_tokens\":5")
            .replace("\"" + PROMPT + "\"", "[\"a fox\",\"" + PROMPT + "\"]");
    JsonNode both = good(served.post("/v1/completions", several)).path("choices");
    assertEquals(2, both.size());
    assertEquals(1, both.path(1).path("index").asInt());
    assertEquals(texts.at("/choices/0/text"), both.path(1).path("text"));
  }

  @Test
  void chatIsWrittenByTheTemplate() throws Exception {
    List<Map<String, Object>> messages =
        List.of(
            Map.of("role", "system", "content", "Be short."),
            Map.of("role", "user", "content", "What is it?"));
    Generated expected = alone(tokenizer.encodeChat(messages), greedy(9)).get(0);
    String body =
        "{\"model\":\"tuned\",\"temperature\":0,\"max_completion_tokens\":9,\"messages\":["
            + "{\"role\":\"system\",\"content\":\"Be short.\"},"
            + "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What is it?\"}]}]}";
    JsonNode answer = good(served.post("/v1/chat/completions", body));
    assertEquals("chat.completion", answer.path("object").asText());
    assertEquals("assistant", answer.at("/choices/0/message/role").asText());
    assertEquals(expected.text(), answer.at("/choices/0/message/content").asText());

    String streamed =
        body.replace(
            "\"temperature\"",
            "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"temperature\"");
    Served.Answer events = served.post("/v1/chat/completions", streamed);
    assertEquals("text/event-stream; charset=utf-8", events.header("Content-Type"));
    assertTrue(events.text().endsWith("data: [DONE]\n\n"), events.text());
    List<JsonNode> chunks = events.events();
    assertEquals("assistant", chunks.get(0).at("/choices/0/delta/role").asText());
    StringBuilder text = new StringBuilder();
    for (JsonNode chunk : chunks) {
      assertEquals("chat.completion.chunk", chunk.path("object").asText());
      assertEquals(chunks.get(0).path("id"), chunk.path("id"));
      text.append(chunk.at("/choices/0/delta/content").asText(""));
    }
    assertEquals(expected.text(), text.toString());
    JsonNode last = chunks.get(chunks.size() - 1);
    assertEquals(0, last.path("choices").size());
    assertEquals(9, last.at("/usage/completion_tokens").asInt());
    JsonNode before = chunks.get(chunks.size() - 2);
    assertEquals("length", before.at("/choices/0/finish_reason").asText());
    assertTrue(before.has("usage") && before.path("usage").isNull(), before.toString());
  }

  @Test
  void stopStringsCut() throws Exception {
    String whole = alone(tokenizer.encode(PROMPT), greedy(20)).get(0).text();
    String stop = whole.substring(6, 8);
    Generated expected = alone(tokenizer.encode(PROMPT), greedy(20).withStopStrings(stop)).get(0);
    assertTrue(expected.text().length() < whole.length(), whole);
    String more = ",\"max_tokens\":20,\"stop\":[" + quoted(stop) + "]";
    JsonNode answer = good(served.post("/v1/completions", completion(more)));
    assertEquals(expected.text(), answer.at("/choices/0/text").asText());
    assertEquals("stop", answer.at("/choices/0/finish_reason").asText());
    assertEquals(expected.tokens().length, answer.at("/usage/completion_tokens").asInt());
    List<JsonNode> events =
        served.post("/v1/completions", completion(more + ",\"stream\":true")).events();
    StringBuilder text = new StringBuilder();
    events.forEach(event -> text.append(event.at("/choices/0/text").asText()));
    assertEquals(expected.text(), text.toString());
    assertEquals("stop", events.get(events.size() - 1).at("/choices/0/finish_reason").asText());
  }

  private static String quoted(String text) throws IOException {
    return io.peft4j.io.JsonFiles.MAPPER.writeValueAsString(text);
  }

  /** Drawn with a seed, each of {@code n} as the generator draws its own. */
  @Test
  void drawsAreThoseOfTheSeed() throws Exception {
    GenerationConfig config =
        greedy(10).sampling(0.9, 0, 0.95, 0).withSeed(7).with("num_return_sequences", 3);
    List<Generated> expected = alone(tokenizer.encode(PROMPT), config);
    String body =
        completion(",\"max_tokens\":10,\"n\":3,\"seed\":7,\"top_p\":0.95")
            .replace("\"temperature\":0", "\"temperature\":0.9");
    JsonNode choices = good(served.post("/v1/completions", body)).path("choices");
    assertEquals(3, choices.size());
    for (int i = 0; i < 3; i++) {
      assertEquals(expected.get(i).text(), choices.path(i).path("text").asText(), "choice " + i);
    }
    assertNotEquals(choices.path(0).path("text"), choices.path(1).path("text"));
    // without a seed another each time
    String unseeded =
        body.replace("\"seed\":7,", "").replace("\"max_tokens\":10", "\"max_tokens\":40");
    assertNotEquals(
        good(served.post("/v1/completions", unseeded)).at("/choices/0/text"),
        good(served.post("/v1/completions", unseeded)).at("/choices/0/text"));
  }

  @Test
  void logprobsAreTheModelsOwn() throws Exception {
    int[] prompt = tokenizer.encode(PROMPT);
    Generated expected = alone(prompt, greedy(6)).get(0);
    int[] all = new int[prompt.length + 6];
    System.arraycopy(prompt, 0, all, 0, prompt.length);
    System.arraycopy(expected.tokens(), 0, all, prompt.length, 6);
    float[] logProbs = alone.logProbs(List.of(alone.sequence(all)))[0];
    JsonNode answer =
        good(served.post("/v1/completions", completion(",\"max_tokens\":6,\"logprobs\":2")));
    JsonNode logprobs = answer.at("/choices/0/logprobs");
    assertEquals(6, logprobs.path("tokens").size());
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 6; i++) {
      assertEquals(
          logProbs[prompt.length - 1 + i],
          logprobs.path("token_logprobs").path(i).asDouble(),
          1e-4);
      assertEquals(text.length(), logprobs.path("text_offset").path(i).asInt());
      text.append(logprobs.path("tokens").path(i).asText());
      int top = logprobs.path("top_logprobs").path(i).size();
      assertTrue(top == 2 || top == 1, "two, or one where they read the same: " + logprobs);
    }
    String chat =
        "{\"model\":\"tuned\",\"temperature\":0,\"max_tokens\":4,\"logprobs\":true,"
            + "\"top_logprobs\":3,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
    JsonNode content =
        good(served.post("/v1/chat/completions", chat + "}")).at("/choices/0/logprobs/content");
    assertEquals(4, content.size());
    for (JsonNode token : content) {
      assertEquals(3, token.path("top_logprobs").size());
      // greedy: the chosen one is the likeliest
      assertEquals(token.path("logprob"), token.at("/top_logprobs/0/logprob"));
    }
    List<JsonNode> streamed = new ArrayList<>();
    served
        .post("/v1/chat/completions", chat + ",\"stream\":true}")
        .events()
        .forEach(event -> event.at("/choices/0/logprobs/content").forEach(streamed::add));
    List<JsonNode> whole = new ArrayList<>();
    content.forEach(whole::add);
    assertEquals(whole, streamed);
  }

  @Test
  void promptsAreEchoed() throws Exception {
    JsonNode plain = good(served.post("/v1/completions", completion(",\"max_tokens\":5")));
    JsonNode echoed =
        good(served.post("/v1/completions", completion(",\"max_tokens\":5,\"echo\":true")));
    assertEquals(
        PROMPT + plain.at("/choices/0/text").asText(), echoed.at("/choices/0/text").asText());
    StringBuilder text = new StringBuilder();
    served
        .post("/v1/completions", completion(",\"max_tokens\":5,\"echo\":true,\"stream\":true"))
        .events()
        .forEach(event -> text.append(event.at("/choices/0/text").asText()));
    assertEquals(echoed.at("/choices/0/text").asText(), text.toString());
  }

  @Test
  void theEndTokenEnds() throws Exception {
    // the likeliest first token, made the one that ends
    JsonNode answer = good(served.post("/v1/completions", completion(",\"max_tokens\":100")));
    Generated expected = alone(tokenizer.encode(PROMPT), greedy(100)).get(0);
    assertEquals(expected.text(), answer.at("/choices/0/text").asText());
    boolean ended = expected.finish() == Generated.Finish.END_TOKEN;
    assertEquals(ended ? "stop" : "length", answer.at("/choices/0/finish_reason").asText());
    assertFalse(answer.at("/choices/0/text").asText().contains("</s>"));
  }

  @Test
  void sageMakersPathTakesBoth() throws Exception {
    JsonNode direct = good(served.post("/v1/completions", completion(",\"max_tokens\":5")));
    JsonNode invoked = good(served.post("/invocations", completion(",\"max_tokens\":5")));
    assertEquals(direct.path("choices"), invoked.path("choices"));
    JsonNode chat =
        good(
            served.post(
                "/invocations",
                "{\"max_tokens\":3,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
                "X-Amzn-SageMaker-Adapter-Identifier",
                "tuned"));
    assertEquals("chat.completion", chat.path("object").asText());
    assertEquals("tuned", chat.path("model").asText());
    assertEquals(200, served.get("/ping").status());
  }
}
