package io.peft4j.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdapterHead;
import io.peft4j.data.CausalExample;
import io.peft4j.data.Task;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.serve.AdapterInfo;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A router with what its model needs to be asked in texts: a name, tokenizers, chat templates, the
 * settings that the model's folder recommends. Thread-safe. Owns the tokenizers; model and router
 * are the caller's, and to be closed after this.
 *
 * <pre>{@code
 * try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT);
 *     AdapterRouter router = AdapterRouter.builder(lm.model()).build();
 *     ServedModel served = ServedModel.languageModel("base", folder, lm.model(), router)) {
 *   served.register("support", Path.of("adapters/support"));
 *   try (PeftServer server = PeftServer.start(served, ServerConfig.builder().build())) {
 *     System.out.println(server.uri());
 *     Thread.sleep(Long.MAX_VALUE);
 *   }
 * }
 * }</pre>
 */
public final class ServedModel implements AutoCloseable {

  /** What can be asked of a model. */
  public enum Kind {
    /** Continuations of texts, and answers. */
    LANGUAGE_MODEL,
    /** Labels of texts. */
    CLASSIFIER,
    /** Vectors of texts. */
    ENCODER
  }

  /** Names that are easily written into addresses, headers and metrics. */
  private static final String NAME = "[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}";

  private final String name;
  private final Kind kind;
  private final Model model;
  private final AdapterRouter router;
  private final GenerationConfig defaults;
  private final Path base;
  private final Map<String, Task> tasks = new ConcurrentHashMap<>();
  private final Map<String, Path> folders = new ConcurrentHashMap<>();
  private final Tokenizers<CausalTokenizer> writers;
  private final Tokenizers<TextTokenizer> readers;

  private ServedModel(
      String name,
      Kind kind,
      Path folder,
      Model model,
      AdapterRouter router,
      GenerationConfig config)
      throws IOException {
    this.name = checkName(name);
    this.kind = kind;
    this.base = folder;
    this.model = Objects.requireNonNull(model, "model");
    this.router = Objects.requireNonNull(router, "router");
    this.defaults = config;
    this.writers = new Tokenizers<>(folder, at -> CausalTokenizer.of(at, model));
    this.readers = new Tokenizers<>(folder, at -> TextTokenizer.of(at, model));
    open(null); // now, rather than when the first request comes
  }

  /**
   * {@return a language model}
   *
   * @param name what callers call the base
   * @param folder the model's, with its tokenizer
   * @throws IOException if a file cannot be read, such as the tokenizer's
   * @throws IllegalArgumentException if a file is not what it should be
   */
  public static ServedModel languageModel(
      String name, Path folder, Model model, AdapterRouter router) throws IOException {
    // how much and how many a request says itself
    ObjectNode over = JsonNodeFactory.instance.objectNode();
    List.of("max_length", "max_new_tokens", "num_return_sequences").forEach(over::putNull);
    GenerationConfig config = GenerationConfig.of(folder, over);
    return new ServedModel(name, Kind.LANGUAGE_MODEL, folder, model, router, config);
  }

  /** {@return a classifier; see {@link #languageModel}} */
  public static ServedModel classifier(String name, Path folder, Model model, AdapterRouter router)
      throws IOException {
    return new ServedModel(name, Kind.CLASSIFIER, folder, model, router, null);
  }

  /**
   * {@return an encoder that gives vectors of texts; see {@link #languageModel}}
   *
   * @param model loaded with {@link io.peft4j.serve.EmbeddingHead#KIND}
   */
  public static ServedModel encoder(String name, Path folder, Model model, AdapterRouter router)
      throws IOException {
    return new ServedModel(name, Kind.ENCODER, folder, model, router, null);
  }

  private static String checkName(String name) {
    if (!name.matches(NAME)) {
      throw new IllegalArgumentException(
          "name: expected letters, digits and . _ : / @ -, a letter or digit first, found '"
              + name
              + "'");
    }
    return name;
  }

  /** {@return what the base is called} */
  public String name() {
    return name;
  }

  public Kind kind() {
    return kind;
  }

  public AdapterRouter router() {
    return router;
  }

  /** {@return the longest sequence that the model takes, in tokens} */
  public int maxLength() {
    return model.maxLength();
  }

  /** {@return how many token numbers the model knows} */
  int vocabularySize() {
    return model.vocabularySize();
  }

  /** {@return what an adapter's scores are of; null where they are vectors} */
  Task task(String adapter) {
    Task own = model.head().task().orElse(null);
    return adapter == null ? own : tasks.getOrDefault(adapter, own);
  }

  /** {@return how to choose tokens where a request does not say; null for others} */
  public GenerationConfig defaults() {
    return defaults;
  }

  /**
   * Registers an adapter, or replaces it: requests that run keep what they began with.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the name is the base's or hard to write, or the adapter
   *     cannot be served, with the reason
   */
  public synchronized void register(String adapter, Path folder) throws IOException {
    if (checkName(adapter).equals(name)) {
      throw new IllegalArgumentException("name: '" + adapter + "' is that of the base");
    }
    router.register(adapter, folder);
    writers.forget(folder);
    readers.forget(folder);
    folders.put(adapter, folder);
    if (kind == Kind.CLASSIFIER) {
      Task own = AdapterHead.of(base, folder, LoadOptions.DEFAULT).task();
      tasks.put(adapter, own == null ? model.task() : own);
    }
  }

  /** Removes an adapter; {@return whether there was one} Requests that run keep it. */
  public synchronized boolean remove(String adapter) {
    folders.remove(adapter);
    tasks.remove(adapter);
    return router.remove(adapter);
  }

  /** {@return the adapters that are registered} */
  public List<AdapterInfo> adapters() {
    return router.adapters();
  }

  /** {@return whether there is an adapter of a name} */
  public boolean has(String adapter) {
    return folders.containsKey(adapter);
  }

  /**
   * {@return the tokens of a prompt}
   *
   * @param adapter whose tokenizer it is written with; null for the base
   */
  public int[] encode(String adapter, String prompt) {
    return writer(adapter).encode(prompt);
  }

  /**
   * {@return the tokens of a conversation that is to be answered}
   *
   * @param adapter whose chat template it is written with; null for the base
   * @throws IllegalArgumentException if there is no template, or it does not accept it
   */
  public int[] encode(String adapter, CausalExample.Chat conversation) {
    return writer(adapter).encodeChat(conversation);
  }

  CausalTokenizer writer(String adapter) {
    return opened(writers, adapter);
  }

  TextTokenizer reader(String adapter) {
    return opened(readers, adapter);
  }

  /**
   * {@return a text that is to be classified or embedded as the model takes it, cut if it is
   * longer}
   *
   * @param adapter whose tokenizer it is cut into tokens with; null for the base
   */
  public Tokens tokens(String adapter, String text) {
    return reader(adapter).encode(text);
  }

  private <T extends AutoCloseable> T opened(Tokenizers<T> tokenizers, String adapter) {
    try {
      return tokenizers.of(adapter == null ? null : folders.get(adapter));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void open(Path adapter) throws IOException {
    if (kind == Kind.LANGUAGE_MODEL) {
      writers.of(adapter);
    } else {
      readers.of(adapter);
    }
  }

  /** Frees the tokenizers. */
  @Override
  public void close() {
    writers.close();
    readers.close();
  }
}
