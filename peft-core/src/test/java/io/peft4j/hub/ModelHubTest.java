package io.peft4j.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What is found and downloaded, and how the cache then looks. */
class ModelHubTest extends HubTestBase {

  private void assertFails(String expected, String name) throws IOException {
    assertFails(expected, name, online());
  }

  private void assertFails(String expected, String name, ModelHub with) throws IOException {
    HubException e = assertThrows(HubException.class, () -> with.locate(name));
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertEquals(List.of(), list(repository().resolve("refs")));
  }

  @Test
  void takesAFolderAsItIs() throws IOException {
    assertEquals(folder, online().locate(folder.toString()));
    assertEquals(List.of(), hub.seen);
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> online().locate("./missing"));
    assertTrue(e.getMessage().contains("'./missing' is neither a folder nor"), e.getMessage());
  }

  @Test
  void downloadsWhatAModelNeedsInPythonsLayout() throws IOException {
    Path snapshot = online().locate("org/model");
    assertEquals(repository().resolve("snapshots").resolve(ONE), snapshot);
    assertEquals(
        List.of(
            "additional_chat_templates/tool.jinja",
            "chat_template.jinja",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json"),
        list(snapshot));
    assertArrayEquals(WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
    assertEquals(ONE, Files.readString(repository().resolve("refs/main")));
    assertEquals(
        Path.of("../../blobs", Hashes.sha256(WEIGHTS)),
        Files.readSymbolicLink(snapshot.resolve("model.safetensors")));
    assertEquals(
        Path.of("../../../blobs", Hashes.gitBlob(new byte[0])),
        Files.readSymbolicLink(snapshot.resolve("additional_chat_templates/tool.jinja")));
    for (String blob : list(repository().resolve("blobs"))) {
      assertTrue(blob.matches("[0-9a-f]{40}|[0-9a-f]{64}"), blob);
    }
    assertTrue(Files.readString(cache.resolve("CACHEDIR.TAG")).startsWith("Signature: 8a477f59"));
  }

  @Test
  void asksNothingWhenTheCacheHasIt() throws IOException {
    Path snapshot = online().locate("org/model");
    hub.seen.clear();
    assertEquals(snapshot, online().locate("org/model"));
    assertEquals(snapshot, offline().locate("org/model@" + ONE));
    assertEquals(List.of(), hub.seen);
  }

  @Test
  void offlineSaysWhatIsMissing() throws IOException {
    assertFails("org/model is not in " + cache, "org/model", offline());
    online().locate("org/model");
    Files.delete(repository().resolve("blobs").resolve(Hashes.sha256(WEIGHTS)));
    hub.seen.clear();
    HubException e = assertThrows(HubException.class, () -> offline().locate("org/model"));
    assertTrue(e.getMessage().contains("org/model is only partly in"), e.getMessage());
    assertThrows(HubException.class, () -> offline().download(ModelId.parse("org/model")));
    assertEquals(List.of(), hub.seen);
    Path snapshot = online().locate("org/model");
    assertArrayEquals(WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
    assertEquals(1, hub.storeGets().size(), "only what was missing");
  }

  @Test
  void revisionsAreBranchesTagsCommitsAndPullRequests() throws IOException {
    Map<String, byte[]> next = new HashMap<>(model());
    next.put("config.json", "{}".getBytes());
    FakeHub.Repository repository = hub.repositories.get("org/model");
    repository.commit("v2", TWO, next).revisions.put("refs/pr/1", TWO);
    assertEquals(TWO, online().locate("org/model@v2").getFileName().toString());
    assertEquals(TWO, Files.readString(repository().resolve("refs/v2")));
    assertEquals(TWO, online().locate("org/model@refs/pr/1").getFileName().toString());
    assertEquals(TWO, offline().locate("org/model@refs/pr/1").getFileName().toString());
    assertEquals(ONE, online().locate("org/model@" + ONE).getFileName().toString());
    assertFalse(Files.exists(repository().resolve("refs").resolve(ONE)));
    assertEquals(1, hub.storeGets().size(), "the commits share their weights");

    online().locate("org/model");
    repository.revisions.put("main", TWO);
    assertEquals(ONE, online().locate("org/model").getFileName().toString());
    assertEquals(TWO, online().download(ModelId.parse("org/model")).getFileName().toString());
    assertEquals(TWO, offline().locate("org/model").getFileName().toString());
  }

  @Test
  void namesWithoutOrganisationAndRenamedOnesWork() throws IOException {
    hub.repositories.put("bert-tiny", new FakeHub.Repository().commit("main", ONE, model()));
    hub.renamed.put("old/name", "org/model");
    assertEquals(
        cache.resolve("models--bert-tiny/snapshots").resolve(ONE), online().locate("bert-tiny"));
    assertEquals(
        cache.resolve("models--old--name/snapshots").resolve(ONE), online().locate("old/name"));
  }

  @Test
  void shardsComeFromTheIndexAndAWholeFileGoesFirst() throws IOException {
    Map<String, byte[]> files =
        files(
            "config.json", "{}",
            "vocab.txt", "a",
            "model-1.safetensors", "one",
            "model-2.safetensors", "two",
            "consolidated.safetensors", "the same again",
            "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": \"model-2.safetensors\","
                    + " \"c\": \"model-1.safetensors\"}}");
    hub.repositories.put("org/sharded", new FakeHub.Repository().commit("main", ONE, files));
    Path snapshot = online().locate("org/sharded");
    assertEquals(
        List.of(
            "config.json",
            "model-1.safetensors",
            "model-2.safetensors",
            "model.safetensors.index.json",
            "vocab.txt"),
        list(snapshot));
    assertEquals(snapshot, offline().locate("org/sharded"));
    Files.delete(snapshot.resolve("model-2.safetensors"));
    assertThrows(HubException.class, () -> offline().locate("org/sharded"));

    files.put("model.safetensors", "all".getBytes());
    hub.repositories.put("org/both", new FakeHub.Repository().commit("main", TWO, files));
    assertEquals(
        List.of("config.json", "model.safetensors", "vocab.txt"),
        list(online().locate("org/both")));
  }

  @Test
  void adaptersAreFoundToo() throws IOException {
    Map<String, byte[]> files =
        files("adapter_config.json", "{}", "adapter_model.safetensors", "w", "README.md", "");
    hub.repositories.put("org/adapter", new FakeHub.Repository().commit("main", ONE, files));
    Path snapshot = online().locate("org/adapter");
    assertEquals(List.of("adapter_config.json", "adapter_model.safetensors"), list(snapshot));
    hub.seen.clear();
    assertEquals(snapshot, online().locate("org/adapter"));
    assertEquals(List.of(), hub.seen);
  }

  @Test
  void repositoriesWithoutSafetensorsAreRefusedBeforeAnythingIsDownloaded() throws IOException {
    Map<String, byte[]> files = files("config.json", "{}", "pytorch_model.bin", "w");
    hub.repositories.put("org/model", new FakeHub.Repository().commit("main", ONE, files));
    assertFails("other formats are not read: [pytorch_model.bin]", "org/model");
    files.remove("config.json");
    hub.repositories.put("org/model", new FakeHub.Repository().commit("main", ONE, files));
    assertFails("neither config.json nor adapter_config.json", "org/model");
    assertFalse(Files.exists(cache));
  }

  @Test
  void withoutLinksSnapshotsHoldTheFiles() throws IOException {
    ModelHub plain = new ModelHub(config(hub.endpoint(), null, false, false));
    Path snapshot = plain.locate("org/model");
    assertFalse(Files.isSymbolicLink(snapshot.resolve("model.safetensors")));
    assertArrayEquals(WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
    assertEquals(List.of(), list(repository().resolve("blobs")));
    assertEquals(snapshot, offline().locate("org/model"));
  }

  @Test
  void errorsSayWhatToDo() throws IOException {
    ModelHub known = new ModelHub(config("known", false));
    assertFails("there is no model " + hub.endpoint() + "/org/none", "org/none");
    assertFails("or it is private and no HF_TOKEN is set", "org/none");
    assertFails("the token may not read it", "org/none", known);
    assertFails("org/model has no revision 'v9' (HTTP 404", "org/model@v9");
    FakeHub.Repository repository = hub.repositories.get("org/model");
    repository.gatedUnless = "invited";
    assertFails("org/model is gated: accept its conditions at " + hub.endpoint(), "org/model");
    assertFails("gated", "org/model", known);
    repository.privateUnless = "invited";
    assertFails("or it is private and no HF_TOKEN is set", "org/model");
    assertFails("does not accept the token", "org/model", new ModelHub(config("expired", false)));
    Path snapshot = new ModelHub(config("invited", false)).locate("org/model");
    assertArrayEquals(WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
  }

  @Test
  void theTokenGoesToTheHubAlone() throws IOException {
    new ModelHub(config("secret", false)).locate("org/model");
    assertEquals(1, hub.storeGets().size());
    for (FakeHub.Seen seen : hub.seen) {
      if (seen.atStore()) {
        assertNull(seen.token(), seen.path());
      } else {
        assertEquals("Bearer secret", seen.token(), seen.path());
      }
    }
    assertFalse(config("secret", false).toString().contains("secret"));
  }

  @Test
  void unsafeNamesAreRefused() throws IOException {
    for (String name :
        List.of("../evil.jinja", "/evil.jinja", "a/../../evil.jinja", "..\\x.jinja")) {
      Map<String, byte[]> files = new HashMap<>(model());
      files.put(name, "evil".getBytes());
      hub.repositories.put("org/model", new FakeHub.Repository().commit("main", ONE, files));
      assertFails("which would lie outside its folder", "org/model");
    }
    for (String shard :
        List.of("../evil.safetensors", "/tmp/evil.safetensors", "C:a.safetensors")) {
      Map<String, byte[]> files =
          files(
              "config.json",
              "{}",
              "model.safetensors.index.json",
              "{\"weight_map\": {\"a\": \"" + shard.replace("\\", "\\\\") + "\"}}");
      hub.repositories.put("org/model", new FakeHub.Repository().commit("main", TWO, files));
      assertFails("which is no file beside it", "org/model");
      assertThrows(HubException.class, () -> online().locate("org/model"));
      deleteSnapshots();
    }
    hub.repositories.put("org/model", new FakeHub.Repository().commit("main", ONE, model()));
    hub.etag = "../../../evil";
    assertFails("has no usable ETag, found '../../../evil'", "org/model");
    hub.etag = null;
    hub.api = "{\"sha\": \"../../evil\", \"siblings\": []}";
    assertFails("should name a commit as sha, found '../../evil'", "org/model");
    hub.api = "<html>";
    assertFails("did not answer with JSON", "org/model");
    assertEquals(
        List.of("cache"), list(folder).stream().map(f -> f.split("/")[0]).distinct().toList());
  }

  private void deleteSnapshots() throws IOException {
    for (String file : list(repository())) {
      Files.delete(repository().resolve(file));
    }
  }

  @Test
  void aCacheThatCannotBeWrittenIsAnError() throws IOException {
    Files.writeString(cache, "a file");
    assertThrows(IOException.class, () -> online().locate("org/model"));
  }

  @Test
  void aModelWithoutTokenizerServesWhenTheHubIsAway() throws IOException {
    Path snapshot = online().locate("org/model");
    Files.delete(snapshot.resolve("tokenizer.json"));
    ModelHub away = new ModelHub(config(URI.create("http://127.0.0.1:1"), null, false, true));
    assertEquals(snapshot, away.locate("org/model"));
    assertTrue(Files.exists(online().locate("org/model").resolve("tokenizer.json")));
    IOException e = assertThrows(IOException.class, () -> away.locate("org/other"));
    assertTrue(
        e.getMessage()
            .startsWith(
                "there is no folder 'org/other', and http://127.0.0.1:1 cannot be reached to look"
                    + " for a model of that name ("),
        e.getMessage());
  }

  @Test
  void aHubThatCannotBeReachedIsSaidAtOnce() throws IOException {
    HubConfig config = config(URI.create("http://127.0.0.1:1"), null, false, true);
    HubConfig patient =
        config.toBuilder()
            .retries(5)
            .retryDelay(Duration.ofSeconds(5)) // a single wait would already be too long
            .build();
    long start = System.nanoTime();
    assertThrows(IOException.class, () -> new ModelHub(patient).locate("my-model"));
    assertTrue(System.nanoTime() - start < 3e9);
  }
}
