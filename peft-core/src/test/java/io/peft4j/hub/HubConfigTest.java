package io.peft4j.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HubConfigTest {
  private static final Path USER = Path.of(System.getProperty("user.home"));
  @TempDir Path home;

  private HubConfig of(String... namesAndValues) throws IOException {
    Map<String, String> environment = new java.util.HashMap<>();
    environment.put("HF_HOME", home.toString());
    for (int i = 0; i < namesAndValues.length; i += 2) {
      environment.put(namesAndValues[i], namesAndValues[i + 1]);
    }
    return HubConfig.fromEnvironment(environment);
  }

  @Test
  void cacheFollowsPythonsVariables() throws IOException {
    assertEquals(home.resolve("hub"), of().cache());
    assertEquals(Path.of("/a"), of("HUGGINGFACE_HUB_CACHE", "/a").cache());
    assertEquals(Path.of("/b"), of("HUGGINGFACE_HUB_CACHE", "/a", "HF_HUB_CACHE", "/b").cache());
    assertEquals(USER.resolve("x/hub"), of("HF_HOME", "~/x").cache());
    assertEquals(Path.of("/c/huggingface/hub"), of("HF_HOME", "", "XDG_CACHE_HOME", "/c").cache());
    assertEquals(USER.resolve(".cache/huggingface/hub"), of("HF_HOME", "").cache());
  }

  @Test
  void endpointAndSwitches() throws IOException {
    assertEquals(URI.create("https://huggingface.co"), of().endpoint());
    assertEquals(URI.create("http://h:1/p"), of("HF_ENDPOINT", "http://h:1/p//").endpoint());
    assertThrows(IllegalArgumentException.class, () -> of("HF_ENDPOINT", "huggingface.co"));
    assertFalse(of().offline());
    assertTrue(of("HF_HUB_OFFLINE", "1").offline());
    assertTrue(of("TRANSFORMERS_OFFLINE", "yes").offline());
    assertFalse(of("HF_HUB_OFFLINE", "0").offline());
    assertFalse(of("HF_HUB_DISABLE_SYMLINKS", "true").symlinks());
    assertEquals(Duration.ofSeconds(7), of("HF_HUB_DOWNLOAD_TIMEOUT", "7").timeout());
    assertThrows(IllegalArgumentException.class, () -> of("HF_HUB_DOWNLOAD_TIMEOUT", "soon"));
  }

  @Test
  void tokenComesFromVariableOrFile() throws IOException {
    assertNull(of().token());
    Files.writeString(home.resolve("token"), "of-file\n");
    assertEquals("of-file", of().token());
    assertEquals("given", of("HF_TOKEN", "given").token());
    assertNull(of("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1").token());
    Files.writeString(home.resolve("other"), "elsewhere");
    assertEquals("elsewhere", of("HF_TOKEN_PATH", home.resolve("other").toString()).token());
  }

  @Test
  void idsAreParsed() {
    assertEquals(new ModelId("org/name", "main"), ModelId.parse("org/name"));
    assertEquals(new ModelId("bert-base-uncased", "v1.0"), ModelId.parse("bert-base-uncased@v1.0"));
    assertEquals(new ModelId("o/n", "refs/pr/1"), ModelId.parse("o/n@refs/pr/1"));
    assertEquals("models--org--name", ModelId.parse("org/name").folderName());
    assertEquals("models--gpt2", ModelId.parse("gpt2").folderName());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "/",
        "a/",
        "/a",
        "a/b/c",
        "../a",
        "a/..",
        ".a",
        "a--b",
        "a.git",
        "a b",
        "a\\b",
        "~/a",
        "a@",
        "a@../x",
        "a@/x",
        "a@x/",
        "a@x//y",
        "a@x/./y",
        "a@.",
        "a@x y",
        "a@x/../y"
      })
  void badIdsAreRefused(String text) {
    assertThrows(IllegalArgumentException.class, () -> ModelId.parse(text));
  }
}
