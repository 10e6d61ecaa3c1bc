package io.peft4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterMix;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.Generator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.serve.EmbeddingHead;
import io.peft4j.server.ServedModel;
import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** LangChain4j's models over a router, beside the same adapter run alone. */
class InProcessTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden");
  private static final Path LLAMA = GOLDEN.resolve("causal/llama");
  private static final Path ADAPTER = GOLDEN.resolve("causal/adapter");

  private static CausalLm lm;
  private static AdapterRouter router;
  private static ServedModel served;

  @BeforeAll
  static void serve() throws IOException {
    lm = CausalLm.load(LLAMA, LoadOptions.DEFAULT);
    router = AdapterRouter.builder(lm.model()).build();
    served = ServedModel.languageModel("base", LLAMA, lm.model(), router);
    served.register("tuned", ADAPTER);
  }

  @AfterAll
  static void end() {
    served.close();
    router.close();
    lm.close();
  }

  private static ChatRequest question() {
    return ChatRequest.builder()
        .messages(SystemMessage.from("Be short."), UserMessage.from("What is it?"))
        .temperature(0.0)
        .maxOutputTokens(9)
        .build();
  }

  private static Generated alone() throws IOException {
    try (CausalLm own = CausalLm.load(LLAMA, LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(own.model());
        CausalTokenizer tokenizer = CausalTokenizer.of(LLAMA, own.model())) {
      AdapterMix.load(adapted, ADAPTER);
      int[] prompt =
          tokenizer.encodeChat(
              List.of(
                  Map.of("role", "system", "content", "Be short."),
                  Map.of("role", "user", "content", "What is it?")));
      GenerationConfig config = GenerationConfig.of(LLAMA).withMaxNewTokens(9);
      return new Generator(own, tokenizer)
          .generate(List.of(prompt), config, (number, token, text) -> {})
          .get(0);
    }
  }

  @Test
  void answersAreThoseOfTheAdapterAlone() throws Exception {
    Generated expected = alone();
    ChatResponse response = new PeftChatModel(served, "tuned").chat(question());
    assertEquals(expected.text(), response.aiMessage().text());
    assertEquals(expected.tokens().length, response.tokenUsage().outputTokenCount());
    assertEquals("tuned", response.modelName());
    ChatRequestParameters named = ChatRequestParameters.builder().modelName("tuned").build();
    ChatRequest byRequest =
        ChatRequest.builder()
            .messages(question().messages())
            .parameters(question().parameters().overrideWith(named))
            .build();
    assertEquals(
        expected.text(),
        new PeftChatModel(served, (String) null).chat(byRequest).aiMessage().text());
  }

  /** What a stream told. */
  private static final class Heard implements StreamingChatResponseHandler {
    private final StringBuilder text = new StringBuilder();
    private final CompletableFuture<ChatResponse> end = new CompletableFuture<>();
    private final boolean cancels;
    private int pieces;

    Heard(boolean cancels) {
      this.cancels = cancels;
    }

    @Override
    public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
      pieces++;
      text.append(partial.text());
      if (cancels) {
        context.streamingHandle().cancel();
      }
    }

    @Override
    public void onCompleteResponse(ChatResponse response) {
      end.complete(response);
    }

    @Override
    public void onError(Throwable error) {
      end.completeExceptionally(error);
    }
  }

  @Test
  void streamsAreTheSame() throws Exception {
    Heard heard = new Heard(false);
    new PeftStreamingChatModel(served, "tuned").chat(question(), heard);
    ChatResponse response = heard.end.get(60, TimeUnit.SECONDS);
    assertEquals(alone().text(), heard.text.toString());
    assertEquals(heard.text.toString(), response.aiMessage().text());
    assertTrue(heard.pieces > 1);
  }

  @Test
  void aStreamThatIsCancelledTellsNoMore() throws Exception {
    long before = router.metrics().counters().cancelled();
    Heard heard = new Heard(true);
    ChatRequest long_ =
        ChatRequest.builder().messages(question().messages()).maxOutputTokens(90).build();
    new PeftStreamingChatModel(served, "tuned").chat(long_, heard);
    for (int i = 0; i < 500 && router.metrics().counters().cancelled() == before; i++) {
      Thread.sleep(20);
    }
    assertEquals(before + 1, router.metrics().counters().cancelled());
    assertEquals(1, heard.pieces);
  }

  @Test
  void whatIsNotSupportedIsSaid() {
    PeftChatModel model = new PeftChatModel(served, "tuned");
    ChatRequest.Builder builder = ChatRequest.builder().messages(question().messages());
    InvalidRequestException e =
        assertThrows(
            InvalidRequestException.class, () -> model.chat(builder.presencePenalty(1.0).build()));
    assertTrue(e.getMessage().contains("presence_penalty"), e.getMessage());
    assertThrows(
        UnsupportedFeatureException.class,
        () ->
            model.chat(
                ChatRequest.builder()
                    .messages(question().messages())
                    .responseFormat(ResponseFormat.JSON)
                    .build()));
    assertThrows(
        ModelNotFoundException.class, () -> new PeftChatModel(served, "none").chat(question()));
  }

  @Test
  void textsAreEmbedded(@TempDir Path temp) throws Exception {
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(GOLDEN.resolve("encoders/bert-bare").resolve(file), temp.resolve(file));
    }
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(GOLDEN.resolve("encoders/bert").resolve(file), temp.resolve(file));
    }
    try (Model model = Model.load(temp, LoadOptions.DEFAULT, EmbeddingHead.KIND);
        AdapterRouter encoder = AdapterRouter.builder(model).build();
        ServedModel texts = ServedModel.encoder("base", temp, model, encoder)) {
      PeftEmbeddingModel embedding = new PeftEmbeddingModel(texts, null);
      List<TextSegment> segments =
          List.of(TextSegment.from("the good film"), TextSegment.from("a bad movie"));
      var response = embedding.embedAll(segments);
      assertEquals(model.sizes().hidden(), embedding.dimension());
      for (int i = 0; i < 2; i++) {
        float[] alone = embedding.embed(segments.get(i)).content().vector();
        assertArrayEquals(alone, response.content().get(i).vector(), 1e-5f);
        double squares = 0;
        for (float value : alone) {
          squares += value * value;
        }
        assertEquals(1, squares, 1e-5);
      }
      assertThrows(IllegalArgumentException.class, () -> new PeftChatModel(texts, "x"));
    }
  }
}
