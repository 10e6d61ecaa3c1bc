package io.peft4j.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.TestPython;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The cache shared with Python's huggingface_hub. Needs a Python that has it: -Dpeft4j.python or
 * PEFT4J_PYTHON.
 */
class PythonCacheTest extends HubTestBase {
  private String python;

  @BeforeEach
  void findPython() {
    python = TestPython.orSkip();
  }

  /** Runs {@code snapshot_download} and returns the folder that it names. */
  private Path snapshotDownload(String arguments, String... environment)
      throws IOException, InterruptedException {
    Path script = folder.resolve("script.py");
    Files.writeString(
        script,
        "from huggingface_hub import snapshot_download\n"
            + ("print(snapshot_download('org/model', " + arguments + "))\n"));
    Path output = folder.resolve("output");
    ProcessBuilder builder = new ProcessBuilder(python, script.toString());
    Map<String, String> variables = builder.environment();
    variables.keySet().removeIf(name -> name.startsWith("HF_"));
    variables.putAll(Map.of("HF_HOME", folder.toString(), "HF_HUB_CACHE", cache.toString()));
    variables.putAll(Map.of("HF_ENDPOINT", hub.endpoint().toString(), "HF_HUB_DISABLE_XET", "1"));
    for (String variable : environment) {
      variables.put(variable.split("=")[0], variable.split("=")[1]);
    }
    Process process = builder.redirectErrorStream(true).redirectOutput(output.toFile()).start();
    assertEquals(0, process.waitFor(), () -> read(output));
    List<String> lines = read(output).lines().toList();
    return Path.of(lines.get(lines.size() - 1));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void pythonFindsWhatWeDownloaded() throws Exception {
    Path snapshot = online().locate("org/model");
    hub.seen.clear();
    assertEquals(snapshot.toRealPath(), snapshotDownload("local_files_only=True").toRealPath());
    assertEquals(
        snapshot.toRealPath(),
        snapshotDownload("revision='main'", "HF_HUB_OFFLINE=1").toRealPath());
    assertEquals(
        snapshot.toRealPath(),
        snapshotDownload("revision='" + ONE + "', local_files_only=True").toRealPath());
    assertEquals(List.of(), hub.seen);
  }

  @Test
  void pythonCompletesWhatWeDownloaded() throws Exception {
    online().locate("org/model");
    hub.seen.clear();
    Path snapshot = snapshotDownload("ignore_patterns=['*.bin', 'onnx/*', 'original/*']");
    assertTrue(Files.exists(snapshot.resolve("README.md")));
    assertEquals(List.of(), hub.storeGets(), "the weights were there");
  }

  @Test
  void weFindWhatPythonDownloaded() throws Exception {
    Path theirs = snapshotDownload("repo_type='model'");
    assertEquals(hub.repositories.get("org/model").commits.get(ONE).size(), list(theirs).size());
    hub.seen.clear();
    assertEquals(theirs.toRealPath(), offline().locate("org/model").toRealPath());
    assertEquals(theirs.toRealPath(), online().locate("org/model").toRealPath());
    assertEquals(List.of(), hub.seen);
    assertArrayEquals(WEIGHTS, Files.readAllBytes(theirs.resolve("model.safetensors")));
  }

  @Test
  void bothLayOutTheSameFilesAndLinks() throws Exception {
    snapshotDownload(
        "allow_patterns=['config.json', 'tokenizer*', '*.jinja', 'model.safetensors']");
    List<String> theirs = layout();
    cache = folder.resolve("ours");
    online().locate("org/model");
    assertEquals(theirs, layout());
  }

  /**
   * Every file of the model's folder with what it links to or its size; Python's listings aside.
   */
  private List<String> layout() throws IOException {
    List<String> layout = new ArrayList<>();
    for (String name : list(repository())) {
      Path file = repository().resolve(name);
      if (!name.startsWith("trees")) {
        layout.add(
            name
                + (Files.isSymbolicLink(file)
                    ? " -> " + Files.readSymbolicLink(file)
                    : " " + Files.size(file)));
      }
    }
    return layout;
  }
}
