package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.JsonFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code peft serve} as a user runs it, in a process of its own. */
class ServeCommandTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden").toAbsolutePath();

  @TempDir private Path temp;

  private Process serve(String... options) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Peft.class.getName()));
    command.addAll(List.of("serve", "--model", GOLDEN.resolve("causal/llama").toString()));
    command.addAll(List.of(options));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("OMP_NUM_THREADS", "1");
    return builder.start();
  }

  private static JsonNode get(String address) throws Exception {
    HttpResponse<String> response =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(URI.create(address)).build(),
                HttpResponse.BodyHandlers.ofString());
    assertEquals(200, response.statusCode(), response.body());
    return JsonFiles.MAPPER.readTree(response.body());
  }

  @Test
  void saysWhereItListensAndEndsWhenToldTo() throws Exception {
    Path folder = Files.createDirectories(temp.resolve("adapters/second"));
    for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
      Files.copy(GOLDEN.resolve("causal/adapter").resolve(file), folder.resolve(file));
    }
    Process process =
        serve(
            "--port",
            "0",
            "--adapter",
            "first=" + GOLDEN.resolve("causal/adapter"),
            "--adapters",
            folder.getParent().toString(),
            "--adapter-memory",
            "10MB");
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String ready = out.readLine();
      assertTrue(
          ready != null
              && ready.matches("serving llama with 2 adapters on http://127\\.0\\.0\\.1:\\d+"),
          ready);
      String address = ready.substring(ready.lastIndexOf(' ') + 1);
      List<String> names = get(address + "/v1/models").path("data").findValuesAsText("id");
      assertEquals(List.of("llama", "first", "second"), names);
      process.toHandle().destroy(); // SIGTERM; that of Process closes its streams
      assertTrue(process.waitFor(60, TimeUnit.SECONDS));
      String said =
          new BufferedReader(
                  new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))
              .lines()
              .collect(Collectors.joining("\n"));
      assertTrue(said.contains("ended; nothing was cut"), said);
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  void whatCannotBeServedIsRefusedFirst() throws Exception {
    String model = GOLDEN.resolve("causal/llama").toString();
    String adapter = GOLDEN.resolve("causal/adapter").toString();
    Path key = temp.resolve("key");
    Files.writeString(key, "\n");
    for (List<String> wrong :
        List.of(
            List.of("API key", "--host", "0.0.0.0"),
            List.of("expected a key", "--api-key-file", key.toString()),
            List.of("--adapters", "--allow-loading"),
            List.of("adapter 'x'", "--adapter", "x=" + GOLDEN.resolve("lora/bert-plain")),
            List.of("name", "--adapter", "a b=" + adapter),
            List.of("--no-api-key", "--no-api-key", "--api-key-file", key.toString()),
            List.of("port", "--port", "70000"))) {
      List<String> command = new ArrayList<>(List.of("serve", "--model", model, "--port", "0"));
      if (wrong.contains("--port")) {
        command.subList(3, 5).clear();
      }
      command.addAll(wrong.subList(1, wrong.size()));
      PeftRun run = PeftRun.of(command.toArray(String[]::new));
      assertEquals(2, run.code(), wrong + ": " + run.err());
      assertTrue(run.err().contains(wrong.get(0)), wrong + ": " + run.err());
      assertFalse(run.out().contains("serving"), run.out());
    }
  }
}
