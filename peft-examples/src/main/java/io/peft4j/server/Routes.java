package io.peft4j.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Which path is answered how. */
final class Routes {

  /** Those that load balancers and browsers come to without a key; they tell nothing. */
  private static final Set<String> OPEN = Set.of("/", "/health", "/ping");

  private static final String MODELS = "/v1/models";

  /** Answers a request that has no body. */
  @FunctionalInterface
  private interface Look {
    void answer(Call call) throws IOException;
  }

  private final Map<String, Look> looks = new LinkedHashMap<>();
  private final Map<String, Endpoint> endpoints = new LinkedHashMap<>();
  private final ModelsEndpoint models;
  private final Lifecycle lifecycle;
  private final String kind;

  Routes(ServedModel served, ServerConfig config, Lifecycle lifecycle, HttpMetrics metrics)
      throws IOException {
    this.lifecycle = lifecycle;
    this.kind =
        switch (served.kind()) {
          case LANGUAGE_MODEL -> "text";
          case CLASSIFIER -> "labels";
          case ENCODER -> "vectors";
        };
    this.models = new ModelsEndpoint(served);
    String page = page();
    MetricsEndpoint gauges = new MetricsEndpoint(served, lifecycle, metrics);
    looks.put("/", call -> page(call, page));
    looks.put("/health", this::health);
    looks.put("/ping", this::health);
    looks.put("/metrics", call -> call.text(200, PrometheusText.TYPE, gauges.text()));
    looks.put(MODELS, models::list);
    addWork(served, config);
    AdapterFolders folders = new AdapterFolders(config.adapterFolders());
    if (!folders.isEmpty()) {
      LoraEndpoint lora = new LoraEndpoint(served, folders);
      endpoints.put("/v1/load_lora_adapter", lora::load);
      endpoints.put("/v1/unload_lora_adapter", lora::unload);
    }
  }

  private void addWork(ServedModel served, ServerConfig config) {
    Texts texts = new Texts(served, config, lifecycle);
    switch (served.kind()) {
      case LANGUAGE_MODEL -> {
        Answers answers = new Answers(served, lifecycle);
        Endpoint chat = new ChatEndpoint(served, config, answers);
        Endpoint completions = new CompletionEndpoint(served, config, answers);
        endpoints.put("/v1/chat/completions", chat);
        endpoints.put("/v1/completions", completions);
        endpoints.put(
            "/invocations",
            (call, fields) -> (fields.has("messages") ? chat : completions).answer(call, fields));
      }
      case CLASSIFIER -> both("/v1/classify", new ClassifyEndpoint(served, texts));
      case ENCODER -> both("/v1/embeddings", new EmbeddingEndpoint(served, texts));
    }
  }

  private void both(String path, Endpoint endpoint) {
    endpoints.put(path, endpoint);
    endpoints.put("/invocations", endpoint);
  }

  /** {@return the path as metrics have it: callers may not make up new ones} */
  String known(String path) {
    if (path.startsWith(MODELS + "/")) {
      return MODELS + "/{model}";
    }
    return looks.containsKey(path) || endpoints.containsKey(path) ? path : "other";
  }

  boolean isOpen(Call call) {
    return OPEN.contains(call.path());
  }

  void answer(Call call) throws IOException, InterruptedException {
    String path = call.path();
    if (endpoints.containsKey(path)) {
      allow(call, "POST");
      endpoints.get(path).answer(call, call.fields());
    } else if (looks.containsKey(path)) {
      allow(call, "GET", "HEAD");
      looks.get(path).answer(call);
    } else if (path.startsWith(MODELS + "/")) {
      allow(call, "GET", "HEAD");
      models.one(call, path.substring(MODELS.length() + 1));
    } else {
      throw ApiException.noPath(path);
    }
  }

  private static void allow(Call call, String... methods) {
    if (!Set.of(methods).contains(call.method())) {
      call.set("Allow", String.join(", ", methods));
      throw ApiException.method(methods[0]);
    }
  }

  private void health(Call call) throws IOException {
    if (lifecycle.isEnding()) {
      throw ApiException.ending();
    }
    call.json(200, JsonNodeFactory.instance.objectNode().put("status", "ok").put("kind", kind));
  }

  private static String page() throws IOException {
    try (InputStream in = Routes.class.getResourceAsStream("page.html")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** It loads nothing from elsewhere, sends nothing elsewhere, and is in nobody's frame. */
  private static void page(Call call, String page) throws IOException {
    call.set(
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
            + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    call.set("X-Content-Type-Options", "nosniff");
    call.set("Referrer-Policy", "no-referrer");
    call.text(200, "text/html; charset=utf-8", page);
  }
}
