package io.peft4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.model.output.FinishReason;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients that others wrote for OpenAI's API talk to the server. */
class ClientsTest {

  private static final String QUESTION = "What is it?";

  private static Served served;
  private static String expected;

  @BeforeAll
  static void serve() throws Exception {
    served = Served.llama(engine -> engine, config -> config.apiKey("key"));
    expected =
        served
            .post(
                "/v1/chat/completions",
                "{\"model\":\"tuned\",\"max_tokens\":8,\"temperature\":0,\"messages\":"
                    + "[{\"role\":\"user\",\"content\":\""
                    + QUESTION
                    + "\"}]}",
                "Authorization",
                "Bearer key")
            .json()
            .at("/choices/0/message/content")
            .asText();
  }

  @AfterAll
  static void end() {
    served.close();
  }

  @Test
  void langChain4jsClient() {
    OpenAiChatModel.OpenAiChatModelBuilder builder =
        OpenAiChatModel.builder()
            .baseUrl(served.server.uri() + "/v1")
            .apiKey("key")
            .maxRetries(0)
            .temperature(0.0)
            .maxTokens(8);
    ChatResponse response = builder.modelName("tuned").build().chat(UserMessage.from(QUESTION));
    assertEquals(expected, response.aiMessage().text());
    assertEquals(FinishReason.LENGTH, response.finishReason());
    assertEquals(8, response.tokenUsage().outputTokenCount());
    assertThrows(
        ModelNotFoundException.class, () -> builder.modelName("none").build().chat(QUESTION));
  }

  @Test
  void langChain4jsStreamingClient() throws Exception {
    StringBuilder text = new StringBuilder();
    CompletableFuture<ChatResponse> whole = new CompletableFuture<>();
    OpenAiStreamingChatModel.builder()
        .baseUrl(served.server.uri() + "/v1")
        .apiKey("key")
        .modelName("tuned")
        .temperature(0.0)
        .maxTokens(8)
        .build()
        .chat(
            QUESTION,
            new StreamingChatResponseHandler() {
              @Override
              public void onPartialResponse(String partial) {
                text.append(partial);
              }

              @Override
              public void onCompleteResponse(ChatResponse response) {
                whole.complete(response);
              }

              @Override
              public void onError(Throwable error) {
                whole.completeExceptionally(error);
              }
            });
    ChatResponse response = whole.get(60, TimeUnit.SECONDS);
    assertEquals(expected, text.toString());
    assertEquals(expected, response.aiMessage().text());
    assertEquals(8, response.tokenUsage().outputTokenCount());
  }

  /** The npm package {@code openai}, where node and it are here: PEFT4J_NODE_MODULES says where. */
  @Test
  void openAisOwnClientForNode(@TempDir Path temp) throws Exception {
    Optional<Path> modules = nodeModules();
    boolean node =
        Stream.of(System.getenv("PATH").split(File.pathSeparator))
            .anyMatch(folder -> Files.isExecutable(Path.of(folder, "node")));
    if (!node || modules.isEmpty()) {
      System.out.println(
          "ClientsTest: OpenAI's client is not tried: no "
              + (node ? "node_modules with openai, see PEFT4J_NODE_MODULES" : "node"));
    }
    assumeTrue(node && modules.isPresent());
    Path script = temp.resolve("client.mjs");
    Files.createSymbolicLink(temp.resolve("node_modules"), modules.get());
    Files.writeString(
        script,
        """
        import OpenAI from "openai";
        const client = new OpenAI({ baseURL: process.argv[2], apiKey: "key", maxRetries: 0 });
        const ask = { model: "tuned", temperature: 0, max_tokens: 8,
          messages: [{ role: "user", content: process.argv[3] }] };
        const answer = await client.chat.completions.create(ask);
        let text = "", usage = 0;
        const stream = await client.chat.completions.create(
          { ...ask, stream: true, stream_options: { include_usage: true } });
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta?.content ?? "";
          usage = chunk.usage?.completion_tokens ?? usage;
        }
        const completion = await client.completions.create(
          { model: "tuned", prompt: "A", max_tokens: 3, echo: true, n: 2 });
        const models = [];
        for await (const model of client.models.list()) models.push(model.id);
        let code;
        try {
          await client.chat.completions.create({ ...ask, model: "none" });
        } catch (e) {
          code = e.constructor.name + " " + e.status + " " + e.code;
        }
        console.log(JSON.stringify([answer.choices[0].message.content, text, usage,
          completion.choices.length, models, code]));
        """);
    Process process =
        new ProcessBuilder("node", script.toString(), served.server.uri() + "/v1", QUESTION)
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), said);
    String text = io.peft4j.io.JsonFiles.MAPPER.writeValueAsString(expected);
    assertEquals(
        "["
            + text
            + ","
            + text
            + ",8,2,[\"base\",\"tuned\"],\"NotFoundError 404 model_not_found\"]",
        said.strip());
    assertTrue(!expected.isEmpty());
  }

  private static Optional<Path> nodeModules() throws IOException {
    String named = System.getenv("PEFT4J_NODE_MODULES");
    Path folder = named == null ? Path.of("node_modules") : Path.of(named);
    return Files.exists(folder.resolve("openai"))
        ? Optional.of(folder.toRealPath())
        : Optional.empty();
  }
}
