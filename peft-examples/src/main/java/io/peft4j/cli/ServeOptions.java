package io.peft4j.cli;

import io.peft4j.server.ServerConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Option;

/** Where to listen, whom to answer, and what to bound. */
@Heading("Server")
final class ServeOptions {

  @Option(
      names = "--host",
      defaultValue = "127.0.0.1",
      description = "Address to listen on. Default: ${DEFAULT-VALUE}, this machine alone.")
  private String host;

  @Option(
      names = "--port",
      defaultValue = "8000",
      description = "Port to listen on; 0 for any that is free. Default: ${DEFAULT-VALUE}.")
  private int port;

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description = "Callers have to show the key in it, as 'Authorization: Bearer KEY'.")
  private Path apiKeyFile;

  @AppliesTo(unless = "--api-key-file")
  @Option(
      names = "--no-api-key",
      description = "Serve other machines without a key, for example behind a gateway that asks.")
  private boolean noApiKey;

  @Option(
      names = "--allow-loading",
      description =
          "Let callers load adapters of the folder --adapters by /v1/load_lora_adapter, and unload"
              + " any.")
  private boolean allowLoading;

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description =
          "Most tokens that a request may ask for, for each sequence. Default: the model's"
              + " context.")
  private Integer maxTokens;

  @Option(
      names = "--max-sequences",
      defaultValue = "32",
      paramLabel = "N",
      description = "Most sequences, or texts, of one request. Default: ${DEFAULT-VALUE}.")
  private int maxSequences;

  @Option(
      names = "--max-body",
      defaultValue = "8MB",
      converter = ByteSize.class,
      paramLabel = "SIZE",
      description = "Longest request. Default: ${DEFAULT-VALUE}.")
  private long maxBody;

  @Option(
      names = "--max-connections",
      defaultValue = "1024",
      paramLabel = "N",
      description = "Most connections at a time. Default: ${DEFAULT-VALUE}.")
  private int maxConnections;

  @Option(
      names = "--request-seconds",
      defaultValue = "600",
      paramLabel = "N",
      description = "After which a request ends with what it has. Default: ${DEFAULT-VALUE}.")
  private int requestSeconds;

  @Option(
      names = "--grace-seconds",
      defaultValue = "30",
      paramLabel = "N",
      description =
          "For requests to finish once the server is told to end. Default: ${DEFAULT-VALUE}.")
  private int graceSeconds;

  Duration grace() {
    return Duration.ofSeconds(graceSeconds);
  }

  /**
   * @param adapters the folder of adapters; null for none
   * @param threads requests that are worked on at a time
   */
  ServerConfig config(Path adapters, int threads) throws IOException {
    if (allowLoading && adapters == null) {
      throw new IllegalArgumentException(
          "--allow-loading needs --adapters, the folder that adapters may be loaded from");
    }
    ServerConfig.Builder builder =
        ServerConfig.builder()
            .host(host)
            .port(port)
            .apiKey(apiKey())
            .allowWithoutKey(noApiKey)
            .adapterFolders(allowLoading ? List.of(adapters) : List.of())
            .maxSequences(maxSequences)
            .maxBody(maxBody)
            .maxConnections(maxConnections)
            .threads(threads)
            .requestTime(Duration.ofSeconds(requestSeconds));
    return (maxTokens == null ? builder : builder.maxTokens(maxTokens)).build();
  }

  private String apiKey() throws IOException {
    if (apiKeyFile == null) {
      return null;
    }
    String key = Files.readString(apiKeyFile).strip();
    if (key.isEmpty() || key.contains("\n")) {
      throw new IllegalArgumentException(apiKeyFile + ": expected a key on one line, found none");
    }
    return key;
  }
}
