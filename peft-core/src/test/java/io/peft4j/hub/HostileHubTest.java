package io.peft4j.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A hub that means no good: endless answers, false sizes; and tokens that messages may not show.
 */
class HostileHubTest extends HubTestBase {

  private static final long ENDLESS = 3L << 30;
  private static final String SECRET = "hf_SECRETSECRET";

  private HubException refused(ModelHub of) {
    return assertThrows(HubException.class, () -> of.locate("org/model"));
  }

  private long largestFile() throws IOException {
    long largest = 0;
    for (String file : list(cache)) {
      largest = Math.max(largest, Files.size(cache.resolve(file)));
    }
    return largest;
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aBodyEndsWhereItWasSaidToEnd(boolean chunked) throws IOException {
    hub.excess = ENDLESS;
    hub.chunked = chunked;
    hub.api = "{\"sha\": \"" + ONE + "\", \"siblings\": []}";
    HubClient client = new HubClient(config(null, false));
    ModelId id = ModelId.parse("org/model");
    HubClient.FileInfo info = client.info(id, ONE, "model.safetensors");
    Path part = Files.createDirectories(cache).resolve("part");
    HubException e =
        assertThrows(
            HubException.class,
            () -> client.download(id, ONE, "model.safetensors", info, part, DownloadProgress.NONE));
    assertTrue(e.getMessage().contains("more than the " + WEIGHTS.length + " bytes"), e.toString());
    assertTrue(largestFile() <= WEIGHTS.length, largestFile() + " bytes were kept");
    assertTrue(hub.excessSent.get() < 64 << 20, hub.excessSent + " bytes were taken");
    assertEquals(1, hub.storeGets().size(), "not tried again");
  }

  @Test
  void aListingThatDoesNotEnd() {
    hub.excess = ENDLESS;
    HubException e = refused(online());
    assertTrue(e.getMessage().contains("at most " + Document.LIMIT + " bytes"), e.toString());
    assertTrue(hub.excessSent.get() < 64 << 20, hub.excessSent + " bytes were taken");
  }

  @ParameterizedTest
  @CsvSource({
    "many, has no usable size",
    "-5, has no usable size",
    "'', has no usable size",
    "99999999999999999999999999, has no usable size",
    "900000000000000000, needs 900000000000000000 bytes"
  })
  void sizesThatCannotBe(String size, String said) throws IOException {
    hub.size = size;
    HubException e = refused(online());
    assertTrue(e.getMessage().contains(said), e.toString());
    assertEquals(0, hub.storeGets().size());
  }

  @Test
  void onlyWeightsAreLarge() {
    assertEquals(256L << 20, ModelFiles.mostBytes("tokenizer.json"));
    assertEquals(256L << 20, ModelFiles.mostBytes("model.safetensors.index.json"));
    assertEquals(Long.MAX_VALUE, ModelFiles.mostBytes("model-00001-of-00002.safetensors"));
  }

  /** A byte now and then is news to no one. */
  @Test
  void aTrickleIsAStall() {
    hub.trickleMillis = 50;
    HubConfig usual = config(null, false);
    HubConfig impatient =
        usual.toBuilder()
            .timeout(Duration.ofSeconds(2))
            .retries(0)
            .retryDelay(Duration.ZERO)
            .build();
    long begun = System.nanoTime();
    IOException e =
        assertThrows(IOException.class, () -> new ModelHub(impatient).locate("org/model"));
    assertTrue(e.getMessage().endsWith("sends no more bytes"), e.toString());
    assertTrue(System.nanoTime() - begun < TimeUnit.SECONDS.toNanos(40), "did not wait it out");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "file:///etc/passwd?hf_SECRETSECRET",
        "ftp://user:hf_SECRETSECRET@127.0.0.1/x",
        "http:///nowhere?hf_SECRETSECRET",
        "http://user:hf_SECRETSECRET@[broken/x?Signature=hf_SECRETSECRET"
      })
  void whereItMayNotSendOnTo(String location) {
    hub.location = location;
    HubException e = refused(online());
    assertTrue(e.getMessage().contains("sends on to the "), e.toString());
    assertHidden(e);
  }

  private static void assertHidden(Throwable e) {
    for (Throwable t = e; t != null; t = t.getCause()) {
      assertFalse(String.valueOf(t.getMessage()).contains(SECRET), t.toString());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {SECRET + " and", SECRET + "\u0000", SECRET + "\u00e9", "\u2026" + SECRET, "a\tb"})
  void aTokenThatIsNoneIsNotShown(String token) {
    assertHidden(
        assertThrows(
            IllegalArgumentException.class,
            () -> HubConfig.fromEnvironment(Map.of("HF_TOKEN", "x" + token + "x"))));
    assertHidden(
        assertThrows(IllegalArgumentException.class, () -> config("x" + token + "x", false)));
  }

  /** As Python's huggingface_hub cleans it. */
  @Test
  void lineBreaksInATokenAreDropped() throws IOException {
    assertEquals(
        SECRET, HubConfig.fromEnvironment(Map.of("HF_TOKEN", "hf_SECRET\r\nSECRET\n")).token());
    Files.createDirectories(cache);
    Path file = Files.writeString(cache.resolve("token"), "hf_SECRET\nSECRET\n");
    assertEquals(
        SECRET, HubConfig.fromEnvironment(Map.of("HF_TOKEN_PATH", file.toString())).token());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://user:hf_SECRETSECRET@hub.example",
        "https://hf_SECRETSECRET@hub.example/path",
        "https://hub.example?token=hf_SECRETSECRET",
        "https://user:hf_SECRETSECRET@hub.example:x y"
      })
  void anAddressWithASecretIsNotShown(String endpoint) {
    assertHidden(
        assertThrows(
            IllegalArgumentException.class,
            () -> HubConfig.fromEnvironment(Map.of("HF_ENDPOINT", endpoint))));
  }

  @Test
  void anAddressIsNoName() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                online().locate("https://user:hf_SECRETSECRET@hub.example/org/model?x=" + SECRET));
    assertHidden(e);
    assertTrue(e.getMessage().contains("https://hub.example/org/model"), e.getMessage());
  }

  /** A proxy, say, that repeats what it was sent. */
  @Test
  void aTokenThatTheHubRepeats() {
    hub.repeatsToken = true;
    HubException e =
        assertThrows(
            HubException.class, () -> new ModelHub(config(SECRET, false)).locate("org/unknown"));
    assertHidden(e);
    assertTrue(e.getMessage().contains("(token)"), e.getMessage());
    assertEquals("http://h/p", HubRequest.plain(URI.create("http://u:p@h/p?q=1")));
  }
}
