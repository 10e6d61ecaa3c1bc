package io.peft4j.hub;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A fake hub with one model, and an empty cache. */
abstract class HubTestBase {
  static final String ONE = "1".repeat(40);
  static final String TWO = "2".repeat(40);
  static final byte[] WEIGHTS = new byte[300_001];

  static {
    new Random(1).nextBytes(WEIGHTS);
  }

  @TempDir Path folder;
  Path cache;
  FakeHub hub;

  @BeforeEach
  void start() throws IOException {
    cache = folder.resolve("cache");
    hub = new FakeHub();
    hub.repositories.put("org/model", new FakeHub.Repository().commit("main", ONE, model()));
  }

  @AfterEach
  void stop() {
    hub.close();
  }

  static Map<String, byte[]> model() {
    return files(
        "config.json", "{\"model_type\": \"bert\"}",
        "tokenizer.json", "{}",
        "tokenizer_config.json", "{ }",
        "chat_template.jinja", "{{ messages }}",
        "additional_chat_templates/tool.jinja", "",
        "README.md", "# no",
        "onnx/model.onnx", "no",
        "pytorch_model.bin", "no",
        "original/model.safetensors", "no",
        "model.safetensors", WEIGHTS);
  }

  /** Names and contents in turn; a content is a string or bytes. */
  static Map<String, byte[]> files(Object... namesAndContents) {
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (int i = 0; i < namesAndContents.length; i += 2) {
      Object content = namesAndContents[i + 1];
      files.put(
          (String) namesAndContents[i],
          content instanceof byte[] bytes
              ? bytes
              : ((String) content).getBytes(StandardCharsets.UTF_8));
    }
    return files;
  }

  HubConfig config(String token, boolean offline) {
    return config(hub.endpoint(), token, offline, true);
  }

  HubConfig config(URI endpoint, String token, boolean offline, boolean symlinks) {
    return HubConfig.builder(cache)
        .endpoint(endpoint)
        .token(token)
        .offline(offline)
        .symlinks(symlinks)
        .timeout(Duration.ofSeconds(30))
        .retries(3)
        .retryDelay(Duration.ofMillis(10))
        .build();
  }

  ModelHub online() {
    return new ModelHub(config(null, false));
  }

  ModelHub offline() {
    return new ModelHub(config(null, true));
  }

  Path repository() {
    return cache.resolve("models--org--model");
  }

  /** The plain files below a folder, by relative path. */
  static List<String> list(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return List.of();
    }
    try (Stream<Path> paths = Files.walk(folder)) {
      return paths
          .filter(path -> !Files.isDirectory(path))
          .map(path -> folder.relativize(path).toString())
          .sorted()
          .toList();
    }
  }
}
