package io.peft4j.serve;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Model;
import io.peft4j.model.Uses;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The adapters in memory: loaded when they are first needed, and the ones longest unused taken out
 * again where others need the room. What is being used stays. The model's thread only.
 */
final class AdapterShelf implements AutoCloseable {

  private static final Logger LOGGER = LoggerFactory.getLogger(AdapterShelf.class);

  /** How long one that could not be loaded is not tried again. */
  private static final long RETRY = TimeUnit.SECONDS.toNanos(10);

  private final AdaptedModel adapted;
  private final HeadSizes heads;
  private final long budget;
  private final Meters meters;
  private final List<AdapterVersion> loaded = new ArrayList<>();
  private Consumer<AdapterVersion> unloading = version -> {};
  private long clock;
  private long bytes;

  AdapterShelf(AdaptedModel adapted, HeadSizes heads, long budget, Meters meters) {
    this.adapted = adapted;
    this.heads = heads;
    this.budget = budget;
    this.meters = meters;
  }

  /** Has {@code listener} told of each adapter that is about to go out of memory. */
  void onUnload(Consumer<AdapterVersion> listener) {
    unloading = listener;
  }

  /** {@return whether there is, or could be made, room for {@code version}} */
  boolean hasRoom(AdapterVersion version) {
    if (version.loaded()) {
      return true;
    }
    long pinned =
        loaded.stream().filter(AdapterVersion::used).mapToLong(v -> v.facts().bytes()).sum();
    return pinned + version.facts().bytes() <= budget;
  }

  /**
   * Sees to it that {@code version} is in memory and stays there until it is {@link #release}d.
   *
   * @throws AdapterException if it cannot be loaded
   */
  void use(AdapterVersion version) {
    clock++;
    if (!version.isBase()) {
      if (version.loaded()) {
        meters.hits.increment();
      } else {
        meters.misses.increment();
        load(version);
      }
      version.countRequest();
    }
    version.use(clock);
  }

  private void load(AdapterVersion version) {
    if (version.failure() != null && System.nanoTime() - version.failedAt() < RETRY) {
      throw new AdapterException(version.failure(), null);
    }
    makeRoom(version.facts().bytes());
    Model model = adapted.model();
    try (Uses.Use use = model.uses().changeInTurn("load an adapter")) {
      if (!version.facts().stamp().equals(FolderStamp.of(version.facts().folder()))) {
        throw new IllegalArgumentException(
            version.facts().folder()
                + ": its files are others than when it was registered; register it again");
      }
      Adapter adapter;
      heads.lay(version.facts().outputs());
      try {
        adapter = adapted.load(version.unique(), version.facts().folder());
      } finally {
        heads.lift();
      }
      adapter.deactivate();
      version.setLoaded(adapter, together(adapter, model));
      loaded.add(version);
      bytes += version.facts().bytes();
      meters.loaded(loaded.size(), bytes);
    } catch (IOException | RuntimeException e) {
      String reason = "adapter '" + version.name() + "' cannot be loaded: " + reason(e);
      LOGGER.warn(reason);
      meters.loadFailures.increment();
      version.setFailed(reason);
      throw new AdapterException(reason, e);
    }
  }

  private static String reason(Exception e) {
    boolean bare = e instanceof IOException; // says no more than a path
    return bare ? e.getClass().getSimpleName() + ": " + e.getMessage() : e.getMessage();
  }

  /**
   * {@return whether it is nothing but plain LoRA on linear layers, and whole layers of a
   * classifier's head}
   */
  private boolean together(Adapter adapter, Model model) {
    if (!(adapter.config() instanceof LoraConfig config)
        || !config.isPlain()
        || !adapter.embeddings().isEmpty()
        || !adapter.carried().isEmpty()
        || !adapter.tied().isEmpty()
        || !adapter.attachments().isEmpty()) {
      return false;
    }
    Linear head = heads.head();
    if (head != null && adapter.projections().containsKey(head)) {
      return false;
    }
    Set<Parameter> whole = new HashSet<>();
    if (head != null) {
      HeadStacks.replaced(model, adapter).forEach(linear -> whole.addAll(linear.parameters()));
    }
    return whole.containsAll(adapter.overlays().keySet());
  }

  /** Lets {@code version} go when there is need for room, or at once if it is retired. */
  void release(AdapterVersion version) {
    version.release();
    tidy(version);
  }

  /** Takes a retired version out of memory, unless it is used. */
  void tidy(AdapterVersion version) {
    if (version.retired() && !version.used() && loaded.contains(version)) {
      unload(version);
    }
  }

  private void makeRoom(long needed) {
    while (bytes + needed > budget) {
      AdapterVersion oldest =
          loaded.stream()
              .filter(version -> !version.used())
              .min(Comparator.comparingLong(AdapterVersion::lastUse))
              .orElse(null);
      if (oldest == null) {
        return; // hasRoom has been asked
      }
      unload(oldest);
      meters.evictions.increment();
    }
  }

  private void unload(AdapterVersion version) {
    unloading.accept(version);
    try (Uses.Use use = adapted.model().uses().changeInTurn("unload an adapter")) {
      adapted.delete(version.unique());
    }
    loaded.remove(version);
    bytes -= version.facts().bytes();
    version.setUnloaded();
    meters.loaded(loaded.size(), bytes);
  }

  @Override
  public void close() {
    for (AdapterVersion version : List.copyOf(loaded)) {
      unload(version);
    }
  }
}
