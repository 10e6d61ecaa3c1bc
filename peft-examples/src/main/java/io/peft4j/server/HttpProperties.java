package io.peft4j.server;

import java.util.Map;

/**
 * Settings of the JDK's server, which it takes from the system's properties when its first server
 * is made in a JVM. What the user has set stays.
 */
final class HttpProperties {

  /** For a whole request to come, and for a connection on which none begins. */
  static final int SECONDS = 30;

  private HttpProperties() {}

  static void set(ServerConfig config) {
    long answer = config.requestTime().toSeconds() + 60;
    Map<String, Object> settings =
        Map.of(
            "sun.net.httpserver.nodelay",
            true, // or small answers wait 40 ms, on JDK 17
            "sun.net.httpserver.maxReqTime",
            SECONDS,
            "sun.net.httpserver.maxRspTime",
            answer,
            "sun.net.httpserver.idleInterval",
            SECONDS,
            "jdk.httpserver.maxConnections",
            config.maxConnections(),
            "sun.net.httpserver.maxReqHeaders",
            100,
            "sun.net.httpserver.maxReqHeaderSize",
            64 << 10);
    settings.forEach(
        (name, value) -> {
          if (System.getProperty(name) == null) {
            System.setProperty(name, value.toString());
          }
        });
  }
}
