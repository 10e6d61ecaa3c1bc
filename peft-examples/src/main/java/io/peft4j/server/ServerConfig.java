package io.peft4j.server;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/** Where a server listens, whom it answers, and what it bounds. Immutable. */
public final class ServerConfig {

  private final String host;
  private final int port;
  private final byte[] apiKey;
  private final boolean loopback;
  private final List<Path> adapterFolders;
  private final long maxBody;
  private final int maxTokens;
  private final int maxSequences;
  private final int maxConnections;
  private final int threads;
  private final Duration requestTime;

  private ServerConfig(Builder builder) {
    this.host = builder.host;
    this.port = builder.port;
    this.apiKey = builder.apiKey;
    this.loopback = isLoopback(host);
    if (!loopback && apiKey == null && !builder.open) {
      throw new IllegalArgumentException(
          "listening on "
              + host
              + " lets other machines in: expected an API key, or leave to go without one");
    }
    this.adapterFolders = builder.adapterFolders;
    this.maxBody = builder.maxBody;
    this.maxTokens = builder.maxTokens;
    this.maxSequences = builder.maxSequences;
    this.maxConnections = builder.maxConnections;
    this.threads = builder.threads;
    this.requestTime = builder.requestTime;
  }

  private static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      throw new IllegalArgumentException("host: there is no address of '" + host + "'", e);
    }
  }

  public static Builder builder() {
    return new Builder();
  }

  String host() {
    return host;
  }

  int port() {
    return port;
  }

  /** {@return the key in UTF-8, or null where none is asked for} */
  byte[] apiKey() {
    return apiKey;
  }

  /** {@return whether only this machine can reach it} */
  boolean isLoopback() {
    return loopback;
  }

  List<Path> adapterFolders() {
    return adapterFolders;
  }

  long maxBody() {
    return maxBody;
  }

  int maxTokens() {
    return maxTokens;
  }

  int maxSequences() {
    return maxSequences;
  }

  int maxConnections() {
    return maxConnections;
  }

  int threads() {
    return threads;
  }

  Duration requestTime() {
    return requestTime;
  }

  /** Begins with what suits one machine and its own users. */
  public static final class Builder {

    private String host = "127.0.0.1";
    private int port = 8000;
    private byte[] apiKey;
    private boolean open;
    private List<Path> adapterFolders = List.of();
    private long maxBody = 8L << 20;
    private int maxTokens = Integer.MAX_VALUE;
    private int maxSequences = 32;
    private int maxConnections = 1024;
    private int threads = 256;
    private Duration requestTime = Duration.ofMinutes(10);

    private Builder() {}

    /** The address to listen on; the loopback address unless told otherwise. */
    public Builder host(String value) {
      host = Objects.requireNonNull(value, "host");
      return this;
    }

    /** The port, 8000 unless told otherwise; 0 for any that is free. */
    public Builder port(int value) {
      port = within("port", value, 0, 65535);
      return this;
    }

    /**
     * What callers have to show as {@code Authorization: Bearer KEY}; null for nothing.
     *
     * @throws IllegalArgumentException if it is blank or has characters that no header can have
     */
    public Builder apiKey(String value) {
      if (value != null && !value.matches("[\\x21-\\x7e]+")) {
        throw new IllegalArgumentException(
            "API key: expected visible ASCII characters without blanks");
      }
      apiKey = value == null ? null : value.getBytes(StandardCharsets.US_ASCII);
      return this;
    }

    /** Whether to serve others than this machine without a key, which is refused otherwise. */
    public Builder allowWithoutKey(boolean value) {
      open = value;
      return this;
    }

    /** Folders from which {@code /v1/load_lora_adapter} may load; none, and there is no such. */
    public Builder adapterFolders(List<Path> value) {
      adapterFolders = List.copyOf(value);
      return this;
    }

    /** The longest request, in bytes; 8 MiB unless told otherwise. */
    public Builder maxBody(long value) {
      if (value < 1) {
        throw new IllegalArgumentException("maxBody must be positive, found " + value);
      }
      maxBody = value;
      return this;
    }

    /** The most tokens that a request may ask for, for each of its sequences. */
    public Builder maxTokens(int value) {
      maxTokens = within("maxTokens", value, 1, Integer.MAX_VALUE);
      return this;
    }

    /** The most sequences of a request: prompts times {@code n}, or texts; 32 unless told. */
    public Builder maxSequences(int value) {
      maxSequences = within("maxSequences", value, 1, 1 << 16);
      return this;
    }

    /** The most connections at a time; 1,024 unless told otherwise. */
    public Builder maxConnections(int value) {
      maxConnections = within("maxConnections", value, 1, 1 << 20);
      return this;
    }

    /** The most requests that are worked on at a time, waiting ones among them; 256 unless told. */
    public Builder threads(int value) {
      threads = within("threads", value, 2, 1 << 14);
      return this;
    }

    /** After what time a request ends with what it has; ten minutes unless told otherwise. */
    public Builder requestTime(Duration value) {
      if (value.isNegative() || value.isZero()) {
        throw new IllegalArgumentException("requestTime must be positive, found " + value);
      }
      requestTime = value;
      return this;
    }

    private static int within(String what, int value, int least, int most) {
      if (value < least || value > most) {
        throw new IllegalArgumentException(
            what + ": expected " + least + " to " + most + ", found " + value);
      }
      return value;
    }

    /**
     * @throws IllegalArgumentException if the host has no address, or others than this machine
     *     could call without a key, and {@link #allowWithoutKey} does not allow that
     */
    public ServerConfig build() {
      return new ServerConfig(this);
    }
  }
}
