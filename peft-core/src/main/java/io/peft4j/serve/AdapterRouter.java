package io.peft4j.serve;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.LabelNames;
import io.peft4j.generate.Codec;
import io.peft4j.generate.GrowingText;
import io.peft4j.model.DecodingSlots;
import io.peft4j.model.Model;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/**
 * One frozen base that serves requests for many adapters, any of them in one batch. Adapters are
 * registered by name from folders; their weights are loaded when they are first needed and kept
 * within a budget of memory. Requests wait in a queue that has an end, and run together: a language
 * model's sequences join and leave between steps, an encoder's texts by the batch.
 *
 * <p>Any thread may ask; one thread of the router's own runs the model. While the router is open,
 * what others do with the model's adapters disturbs it; others may run the model, in turn with it.
 * Owns neither the model nor the codec.
 *
 * <pre>{@code
 * try (AdapterRouter router = AdapterRouter.builder(lm.model()).codec(tokenizer).build()) {
 *   router.register("legal", folder);
 *   GenerationHandle handle =
 *       router.generate(
 *           GenerationRequest.builder(tokenizer.encode("Whereas")).adapter("legal").build());
 *   System.out.println(handle.result().join().text());
 * }
 * }</pre>
 */
public final class AdapterRouter implements AutoCloseable {

  private final Model model;
  private final RouterOptions options;
  private final Meters meters = new Meters();
  private final AdapterRegistry registry;
  private final GenerationEngine generation;
  private final ClassificationEngine classification;
  private final ExecutorService threads;
  private final AtomicInteger open = new AtomicInteger();
  private final CacheBudget cache;

  private AdapterRouter(Model model, RouterOptions options) {
    this.model = model;
    this.options = options;
    AdapterInspection inspection = new AdapterInspection(model, options.adapterMemory());
    HeadSizes heads = new HeadSizes(model, inspection.headName());
    LabelNames labels = model.head().labels().orElse(null);
    this.registry = new AdapterRegistry(inspection, AdapterVersion.base(labels, heads.outputs()));
    AdapterShelf shelf =
        new AdapterShelf(new AdaptedModel(model), heads, options.adapterMemory(), meters);
    AtomicInteger number = new AtomicInteger();
    this.threads =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "peft4j-delivery-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
    boolean language = model.head().outputEmbedding().isPresent();
    this.generation =
        language ? new GenerationEngine(model, registry, shelf, meters, options) : null;
    this.classification =
        language ? null : new ClassificationEngine(model, registry, shelf, meters, options);
    this.cache =
        language
            ? new CacheBudget(options.cacheMemory(), DecodingSlots.bytesPerToken(model), 1)
            : null;
    engine().start();
  }

  private Engine<?> engine() {
    return generation == null ? classification : generation;
  }

  /**
   * {@return a builder of routers}
   *
   * @param model with a language model's head, to generate; with any other, to classify
   */
  public static Builder builder(Model model) {
    return new Builder(model);
  }

  /**
   * Registers an adapter, or replaces the one of that name: requests that have begun keep the one
   * they began with. Config and headers are read now, weights when they are first needed.
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if it cannot be served on this base; the message says why, and
   *     the name means what it did before
   */
  public void register(String name, Path folder) throws IOException {
    tidy(registry.register(name, folder));
  }

  /**
   * Forgets an adapter, whose weights are freed when the last request that has begun with it ends.
   *
   * @return whether there was one of that name
   */
  public boolean remove(String name) {
    AdapterVersion removed = registry.remove(name);
    tidy(removed);
    return removed != null;
  }

  private void tidy(AdapterVersion retired) {
    if (retired != null) {
      engine().command(() -> engine().shelf.tidy(retired));
    }
  }

  /** {@return the registered adapters, in the order in which their names were first registered} */
  public List<AdapterInfo> adapters() {
    return registry.all().stream().map(AdapterVersion::info).toList();
  }

  /**
   * {@return the registered adapter of that name}
   *
   * @throws UnknownAdapterException if there is none
   */
  public AdapterInfo adapter(String name) {
    return registry.find(Objects.requireNonNull(name)).info();
  }

  /**
   * {@return the names of the scores that {@link #classify} gives; null where they have none}
   *
   * @param adapter null for the base
   * @throws UnknownAdapterException if there is none of that name
   */
  public LabelNames labels(String adapter) {
    return registry.find(adapter).facts().labels();
  }

  /** {@return whether it generates, rather than classifies} */
  public boolean generates() {
    return generation != null;
  }

  /** {@return the model, which is not the router's} */
  public Model model() {
    return model;
  }

  /**
   * Has a prompt continued.
   *
   * @throws RejectedException if too many requests are waiting, or the router is being closed
   * @throws UnknownAdapterException if no adapter of that name is registered
   * @throws IllegalArgumentException if the request asks for what cannot be served
   */
  public GenerationHandle generate(GenerationRequest request) {
    if (generation == null) {
      throw new IllegalStateException("the model has no language model's head");
    }
    String adapter = chosen(request);
    check(request);
    reserve();
    try {
      GenerationHandle handle = new GenerationHandle(generation::wake);
      GrowingText text =
          options.codec() == null
              ? null
              : new GrowingText(options.codec(), request.config().stopStrings(), request.tokens());
      Delivery delivery =
          new Delivery(request, handle, text, meters, threads, open::decrementAndGet);
      generation.submit(new Generation(request, adapter, handle, delivery));
      return handle;
    } catch (RuntimeException e) {
      open.decrementAndGet();
      throw e;
    }
  }

  /** Answers that nobody takes away count too, so that they cannot pile up. */
  private void reserve() {
    int most = 2 * options.queue() + options.batch();
    if (open.incrementAndGet() > most) {
      open.decrementAndGet();
      meters.rejected.increment();
      throw new RejectedException(
          most + " requests are waiting, running or being told, as many as may",
          Duration.ofSeconds(1));
    }
  }

  private String chosen(ServeRequest request) {
    String name = request.adapter();
    if (name == null && options.chooser() != null) {
      name = options.chooser().apply(request);
    }
    registry.find(name);
    return name;
  }

  private void check(GenerationRequest request) {
    var config = request.config();
    if (config.numReturnSequences() != 1) {
      throw new IllegalArgumentException(
          "num_return_sequences: expected 1, a request each, found " + config.numReturnSequences());
    }
    if (config.toJson().path("guidance_scale").asDouble(1) != 1) {
      throw new IllegalArgumentException("guidance_scale is not served");
    }
    if (!config.stopStrings().isEmpty() && options.codec() == null) {
      throw new IllegalArgumentException("stop_strings need a router with a codec");
    }
    int prompt = request.tokens().length;
    if (!cache.takes(prompt)) {
      throw new IllegalArgumentException(cache.tooSmall(prompt));
    }
  }

  /**
   * Has a text classified, or embedded: what the model's head says of it.
   *
   * @return what comes of it; see {@link GenerationHandle#result} for how it ends otherwise.
   *     Cancelling it takes it out of the queue
   * @throws RejectedException if too many requests are waiting, or the router is being closed
   * @throws UnknownAdapterException if no adapter of that name is registered
   */
  public CompletableFuture<Classified> classify(ClassificationRequest request) {
    if (classification == null) {
      throw new IllegalStateException("the model has a language model's head");
    }
    Classification waiting = new Classification(request, chosen(request), threads, meters);
    classification.submit(waiting);
    return waiting.result();
  }

  /** {@return what has happened so far, and what is} */
  public RouterMetrics metrics() {
    return meters.snapshot(
        engine().queued(),
        registry.all().size(),
        generation == null ? 0 : options.cacheMemory(),
        options.adapterMemory());
  }

  /**
   * Takes no more requests, waits until those there are have ended, at most for {@code grace}, and
   * frees what the router has. Requests that are cut off end: running ones with what has come of
   * them as {@link GenerationResult.Finish#CANCELLED}, waiting ones with a {@link
   * RejectedException}.
   *
   * @return how many were cut off
   */
  public int close(Duration grace) {
    int cut = engine().close(grace);
    threads.shutdown();
    return cut;
  }

  /** Closes it without grace. */
  @Override
  public void close() {
    close(Duration.ZERO);
  }

  /** Makes a router. */
  public static final class Builder {
    private final Model model;
    private long adapterMemory = 1L << 30;
    private long cacheMemory = 1L << 30;
    private int queue = 256;
    private int batch = 32;
    private int prefillChunk = 256;
    private Codec codec;
    private Function<ServeRequest, String> chooser;

    private Builder(Model model) {
      this.model = model;
    }

    /**
     * @param bytes that the weights of adapters may take; 1 GiB by default. Those of the batch are
     *     in memory a second time
     */
    public Builder adapterMemory(long bytes) {
      adapterMemory = positive("adapterMemory", bytes);
      return this;
    }

    /**
     * @param bytes that keys and values of running sequences may take; 1 GiB by default
     */
    public Builder cacheMemory(long bytes) {
      cacheMemory = positive("cacheMemory", bytes);
      return this;
    }

    /**
     * @param requests that may wait; 256 by default
     */
    public Builder queue(int requests) {
      queue = Math.toIntExact(positive("queue", requests));
      return this;
    }

    /**
     * @param rows that run together; 32 by default
     */
    public Builder batch(int rows) {
      batch = Math.toIntExact(positive("batch", rows));
      return this;
    }

    /**
     * @param tokens of prompts that a step computes at most, so that running answers are not held
     *     up longer; 256 by default
     */
    public Builder prefillChunk(int tokens) {
      prefillChunk = Math.toIntExact(positive("prefillChunk", tokens));
      return this;
    }

    /**
     * @param value makes tokens text, for answers' text and stop strings; used by several threads
     */
    public Builder codec(Codec value) {
      codec = value;
      return this;
    }

    /**
     * @param value gives the adapter of a request that names none, on the thread that makes the
     *     request; null for the base. It may ask another router
     */
    public Builder chooser(Function<ServeRequest, String> value) {
      chooser = value;
      return this;
    }

    private static long positive(String name, long value) {
      if (value < 1) {
        throw new IllegalArgumentException(
            String.format(Locale.ROOT, "%s: expected 1 or more, found %d", name, value));
      }
      return value;
    }

    /** Starts the router's thread. */
    public AdapterRouter build() {
      return new AdapterRouter(
          model,
          new RouterOptions(
              adapterMemory, cacheMemory, queue, batch, prefillChunk, codec, chooser));
    }
  }
}
