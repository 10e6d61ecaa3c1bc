package io.peft4j.server;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A {@link ServedModel} over HTTP, with OpenAI's API: models, chat, completions, embeddings,
 * classification, adapters that come and go, metrics, and a page to try it. See {@code
 * docs/serving.md}.
 *
 * <p>The JDK's server is told by properties of the system what it bounds; those that are not set
 * are set when the first server is made.
 */
public final class PeftServer implements AutoCloseable {

  private static final Logger LOGGER = LoggerFactory.getLogger(PeftServer.class);

  /** For requests that are cut to notice. */
  private static final Duration NOTICE = Duration.ofSeconds(5);

  private final HttpServer server;
  private final ThreadPoolExecutor workers;
  private final Routes routes;
  private final Guard guard;
  private final ServerConfig config;
  private final HttpMetrics metrics;
  private final Lifecycle lifecycle = new Lifecycle();
  private boolean closed;

  private PeftServer(ServedModel served, ServerConfig config) throws IOException {
    this.config = config;
    this.guard = new Guard(config);
    this.metrics = new HttpMetrics();
    this.routes = new Routes(served, config, lifecycle, metrics);
    HttpProperties.set(config);
    this.server = HttpServer.create(new InetSocketAddress(config.host(), config.port()), 0);
    AtomicInteger number = new AtomicInteger();
    this.workers =
        new ThreadPoolExecutor(
            config.threads(),
            config.threads(),
            30,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(), // bounded by the number of connections
            task -> new Thread(task, "peft-http-" + number.incrementAndGet()));
    workers.allowCoreThreadTimeOut(true);
    server.setExecutor(workers);
    server.createContext("/", this::handle);
  }

  /**
   * Begins to listen and to answer.
   *
   * @param served stays the caller's, to be closed after the server
   * @throws IOException if the address cannot be listened on
   */
  public static PeftServer start(ServedModel served, ServerConfig config) throws IOException {
    PeftServer server = new PeftServer(served, config);
    server.server.start();
    return server;
  }

  /** {@return where it listens} */
  public InetSocketAddress address() {
    return server.getAddress();
  }

  /** {@return the address to call it at; where it listens on all, that of this machine} */
  public URI uri() {
    String host = address().getAddress().isAnyLocalAddress() ? "127.0.0.1" : config.host();
    String literal = host.indexOf(':') < 0 ? host : "[" + host + "]";
    return URI.create("http://" + literal + ":" + address().getPort());
  }

  private void handle(HttpExchange exchange) {
    long begin = System.nanoTime();
    Call call = new Call(exchange, config.maxBody());
    String path = routes.known(call.path());
    boolean begun = lifecycle.begin();
    try {
      answer(call, begun);
    } catch (IOException e) {
      LOGGER.debug("{} {}: the client has gone: {}", call.method(), path, e.toString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      exchange.close();
      metrics.add(path, call.status(), (System.nanoTime() - begin) / 1e9);
      if (begun) {
        lifecycle.end();
      }
    }
  }

  private void answer(Call call, boolean begun) throws IOException, InterruptedException {
    try {
      if (!begun) {
        call.set("Connection", "close");
        throw ApiException.ending();
      }
      if (!routes.isOpen(call)) {
        guard.check(call);
      }
      routes.answer(call);
    } catch (RuntimeException | LinkageError | OutOfMemoryError e) {
      ApiException told = Failures.of(e, call.path());
      if (call.status() == 0) {
        call.error(told);
      } // else the answer had begun, and breaks off
    }
  }

  /**
   * Takes no more requests, finishes those that run, and ends those that have not in time: streams
   * with an error, others with status 503.
   *
   * @return how many it ended so
   */
  public int close(Duration grace) {
    synchronized (this) {
      if (closed) {
        return 0;
      }
      closed = true;
    }
    int cut = 0;
    try {
      cut = lifecycle.drain(grace);
      if (cut > 0) {
        LOGGER.warn("{} requests did not end within {} and are cut", cut, grace);
        lifecycle.cut(NOTICE);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      server.stop(0);
      workers.shutdownNow();
    }
    return cut;
  }

  /** Ends at once what runs; see {@link #close(Duration)}. */
  @Override
  public void close() {
    close(Duration.ZERO);
  }
}
