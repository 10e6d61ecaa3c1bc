package io.peft4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters that callers load and unload, and where from they cannot. */
class LoadingOverHttpTest {

  private static final String LOAD = "/v1/load_lora_adapter";
  private static final String UNLOAD = "/v1/unload_lora_adapter";

  @TempDir private Path temp;

  private Path folder;
  private Path outside;
  private Served served;

  @BeforeEach
  void serve() throws IOException {
    folder = Files.createDirectories(temp.resolve("adapters"));
    outside = copy(temp.resolve("outside"));
    copy(folder.resolve("good"));
    served = Served.llama(engine -> engine, config -> config.adapterFolders(List.of(folder)));
  }

  @AfterEach
  void end() {
    served.close();
  }

  private static Path copy(Path to) throws IOException {
    Files.createDirectories(to);
    for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
      Files.copy(Served.ADAPTER.resolve(file), to.resolve(file));
    }
    return to;
  }

  private Served.Answer load(String name, String path) throws Exception {
    ObjectNode body = JsonFiles.MAPPER.createObjectNode();
    return served.post(LOAD, body.put("lora_name", name).put("lora_path", path).toString());
  }

  private String complete(String model) throws Exception {
    Served.Answer answer =
        served.post(
            "/v1/completions",
            "{\"model\":\""
                + model
                + "\",\"prompt\":\"A fox\",\"max_tokens\":6,\"temperature\":0}");
    return answer.status() == 200 ? answer.json().at("/choices/0/text").asText() : null;
  }

  @Test
  void adaptersComeAndGo() throws Exception {
    Served.Answer loaded = load("new", "good");
    assertEquals(200, loaded.status(), loaded.text());
    assertEquals("Success: LoRA adapter 'new' added successfully.", loaded.text());
    assertEquals(complete("tuned"), complete("new"));
    assertEquals(400, load("new", "good").status(), "there already");
    assertEquals(
        200,
        served
            .post(LOAD, "{\"lora_name\":\"new\",\"lora_path\":\"good\",\"load_inplace\":true}")
            .status());
    assertEquals(200, load("absolute", folder.resolve("good").toRealPath().toString()).status());
    assertEquals(200, served.post(UNLOAD, "{\"lora_name\":\"new\"}").status());
    assertEquals(null, complete("new"));
    assertEquals(404, served.post(UNLOAD, "{\"lora_name\":\"new\"}").status());
  }

  @Test
  void nothingOutsideIsLoaded() throws Exception {
    Path linked = folder.resolve("linked");
    Files.createSymbolicLink(linked, outside);
    Path within = Files.createDirectories(folder.resolve("within"));
    Files.copy(outside.resolve("adapter_config.json"), within.resolve("adapter_config.json"));
    Files.createSymbolicLink(
        within.resolve("adapter_model.safetensors"),
        outside.resolve("adapter_model.safetensors").toRealPath());
    String said = load("bad", "nowhere").text().replace("nowhere", "X");
    for (String path :
        List.of(
            "../outside",
            "good/../../outside",
            outside.toString(),
            "linked",
            "within",
            ".",
            "",
            "/etc",
            "good\u0000")) {
      Served.Answer answer = load("bad", path);
      assertEquals(400, answer.status(), path);
      assertEquals("lora_path", answer.json().at("/error/param").asText(), path);
      if (!path.isEmpty() && !path.equals(".") && path.indexOf('\u0000') < 0) {
        // what is outside looks like what is not there
        assertEquals(said, answer.text().replace(path, "X"), path);
      }
    }
    assertFalse(served.get("/v1/models").text().contains("bad"));
  }

  @Test
  void badNamesAndAdaptersAreRefusedWithTheReason() throws Exception {
    for (String name : List.of("base", "", "a b", "../x", "a\nb", "x".repeat(300))) {
      Served.Answer answer = load(name, "good");
      assertEquals(400, answer.status(), name);
      assertEquals("lora_name", answer.json().at("/error/param").asText(), answer.text());
    }
    Path broken = copy(folder.resolve("broken"));
    Files.writeString(broken.resolve("adapter_config.json"), "{\"peft_type\":\"NONE\"}");
    Served.Answer answer = load("broken", "broken");
    assertEquals(400, answer.status(), answer.text());
    assertTrue(answer.text().contains("NONE"), answer.text());
    assertFalse(answer.text().contains(temp.toString()), answer.text());
  }
}
