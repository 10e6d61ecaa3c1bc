package io.peft4j.hub;

import java.io.IOException;
import java.util.Map;

/** Locates a model in a process of its own: cache, endpoint, name. */
final class LocateMain {
  private LocateMain() {}

  public static void main(String[] args) throws IOException {
    Map<String, String> environment = Map.of("HF_HUB_CACHE", args[0], "HF_ENDPOINT", args[1]);
    new ModelHub(HubConfig.fromEnvironment(environment)).locate(args[2]);
  }
}
