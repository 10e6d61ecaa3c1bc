package io.peft4j.server;

import java.io.IOException;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code POST /v1/load_lora_adapter} and {@code /v1/unload_lora_adapter}, as vLLM's server has
 * them; the adapter may be of any method that can be served.
 */
final class LoraEndpoint {

  private static final Logger LOGGER = LoggerFactory.getLogger(PeftServer.class);

  private final ServedModel served;
  private final AdapterFolders folders;

  LoraEndpoint(ServedModel served, AdapterFolders folders) {
    this.served = served;
    this.folders = folders;
  }

  void load(Call call, Fields fields) throws IOException {
    String name = fields.requireText("lora_name");
    Path folder = folders.locate("lora_path", fields.requireText("lora_path"));
    boolean replace = fields.flag("load_inplace");
    fields.without("base_model_name");
    fields.end();
    if (served.has(name) && !replace) {
      throw ApiException.bad(
          "lora_name", "there is a '" + name + "' already; 'load_inplace': true replaces it");
    }
    try {
      served.register(name, folder);
    } catch (IOException e) {
      LOGGER.warn("adapter '{}' cannot be read from {}: {}", name, folder, e.toString());
      throw ApiException.bad("lora_path", "the adapter cannot be read");
    } catch (IllegalArgumentException e) {
      String key = e.getMessage().startsWith("name:") ? "lora_name" : "lora_path";
      throw ApiException.bad(key, Requests.withoutPlaces(e.getMessage()));
    }
    LOGGER.info("adapter '{}' loaded from {}", name, folder);
    call.text(200, "text/plain", "Success: LoRA adapter '" + name + "' added successfully.");
  }

  void unload(Call call, Fields fields) throws IOException {
    String name = fields.requireText("lora_name");
    fields.without("lora_int_id");
    fields.end();
    if (!served.remove(name)) {
      throw ApiException.noModel(name);
    }
    LOGGER.info("adapter '{}' removed", name);
    call.text(200, "text/plain", "Success: LoRA adapter '" + name + "' removed successfully.");
  }
}
