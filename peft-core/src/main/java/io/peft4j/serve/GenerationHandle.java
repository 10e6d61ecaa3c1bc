package io.peft4j.serve;

import java.util.concurrent.CompletableFuture;

/** A request under way. Thread-safe. */
public final class GenerationHandle {

  private final CompletableFuture<GenerationResult> result = new CompletableFuture<>();
  private final Runnable wake;
  private volatile boolean cancelled;

  /**
   * @param wake tells the model's thread to look at it
   */
  GenerationHandle(Runnable wake) {
    this.wake = wake;
  }

  /**
   * {@return what comes of it, after the listener has heard of all tokens} It ends exceptionally
   * only if something is wrong with the request ({@link IllegalArgumentException}) or its adapter
   * ({@link AdapterException}, {@link UnknownAdapterException}), the router is closed ({@link
   * RejectedException}), the listener or the model's run threw. What depends on it runs on a thread
   * of the router's that is not the model's.
   */
  public CompletableFuture<GenerationResult> result() {
    return result;
  }

  /** Ends it; what has come until then is its result. */
  public void cancel() {
    cancelled = true;
    wake.run();
  }

  boolean cancelled() {
    return cancelled;
  }
}
