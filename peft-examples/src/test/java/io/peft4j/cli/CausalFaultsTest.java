package io.peft4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What is wrong with a language model's folder or a row is said in one sentence by every command
 * that meets it, and nothing is written.
 */
class CausalFaultsTest {

  private static final Path GOLDEN =
      Path.of("..", "peft-core", "src", "test", "resources", "golden", "causal", "llama");
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CHAT =
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Alarm?\"},"
          + " {\"role\": \"assistant\", \"content\": \"Rinse.\"}]}";

  @TempDir private Path temp;
  private Path model;

  /** The golden model, its weights in shards. */
  @BeforeEach
  void copy() throws IOException {
    model = Files.createDirectory(temp.resolve("model"));
    for (String name : List.of("config.json", "tokenizer.json", "tokenizer_config.json")) {
      Files.copy(GOLDEN.resolve(name), model.resolve(name));
    }
    try (Checkpoint whole = Checkpoint.open(GOLDEN)) {
      CheckpointWriter.write(
          model, whole.names().stream().map(whole::source).toList(), whole.metadata(), 20_000);
    }
  }

  private void change(String name, Consumer<ObjectNode> change) throws IOException {
    Path file = model.resolve(name);
    ObjectNode json = (ObjectNode) JSON.readTree(file.toFile());
    change.accept(json);
    JSON.writeValue(file.toFile(), json);
  }

  private Path rows(String... lines) throws IOException {
    return Files.write(temp.resolve("rows.jsonl"), List.of(lines));
  }

  private void train(String row, String... said) throws IOException {
    assertSaid(
        List.of("train", "--task", "causal-lm", "--data", rows(row).toString(), "--max-steps", "1"),
        said);
  }

  private void generate(String prompt, String... said) {
    assertSaid(List.of("generate", "--chat", "--prompt", prompt), said);
  }

  private void score(String row, String... said) throws IOException {
    assertSaid(List.of("score", "--input", rows(row).toString()), said);
  }

  private void all(String... said) throws IOException {
    train(CHAT, said);
    generate("Alarm?", said);
    score("{\"text\": \"Alarm\"}", said);
  }

  private void assertSaid(List<String> arguments, String... said) {
    Path output = temp.resolve("output");
    List<String> all = new ArrayList<>(arguments);
    all.addAll(List.of("--model", model.toString(), "--output", output.toString()));
    PeftRun run = PeftRun.of(all.toArray(String[]::new));
    assertNotEquals(0, run.code(), run.out());
    assertEquals(1, run.err().strip().lines().count(), run.err());
    for (String part : said) {
      assertTrue(run.err().contains(part), "expected '" + part + "' in: " + run.err());
    }
    assertFalse(Files.exists(output), run.err());
  }

  @Test
  void aTemplateThatIsNotThere() throws IOException {
    change("tokenizer_config.json", config -> config.remove("chat_template"));
    String said =
        model.resolve("tokenizer_config.json")
            + ": expected a chat_template (or a file chat_template.jinja beside it), found none";
    train(CHAT, "rows.jsonl:1: ", said);
    generate("Alarm?", said);
  }

  @Test
  void aTemplateThatIsBroken() throws IOException {
    change(
        "tokenizer_config.json",
        config -> config.put("chat_template", "{{ bos_token }}\n{% if messages %}{{ 1 + }}"));
    all(
        model.resolve("tokenizer_config.json")
            + ": chat_template: broken chat template: line 2: expected a value");
    Files.writeString(model.resolve("chat_template.jinja"), "{% for m in messages %}");
    all(model.resolve("chat_template.jinja") + ": broken chat template: line 1: expected");
  }

  @Test
  void aTemplateThatRefusesTheConversation() throws IOException {
    Files.writeString(
        model.resolve("chat_template.jinja"), "{{ bos_token }}\n{{ raise_exception('Not so!') }}");
    String said = model.resolve("chat_template.jinja") + ": line 2: Not so!";
    train(CHAT, "rows.jsonl:1: ", said);
    generate("Alarm?", said);
  }

  @Test
  void anotherModelsTokenizer() throws IOException {
    change(
        "tokenizer.json",
        tokenizer -> {
          ObjectNode vocabulary = (ObjectNode) tokenizer.get("model").get("vocab");
          for (int id = 384; id < 394; id++) {
            vocabulary.put("more" + id, id);
          }
        });
    all(
        model.resolve("tokenizer.json")
            + ": model.vocab: expected at most 384 tokens, the model's vocab_size, found");
  }

  @Test
  void textsLongerThanTheContext() throws IOException {
    String text = "x ".repeat(200);
    generate(text, "the prompt has 4", "expected at most 128, the model's context");
    score("{\"text\": \"" + text + "\"}", "rows.jsonl:1: ", "the model takes 1 to 128");
    score("{\"prompt\": \"" + text + "\", \"completion\": \"a\"}", "rows.jsonl:1: ", "128");
    train(
        "{\"prompt\": \"" + text + "\", \"completion\": \"a\"}",
        "rows.jsonl: nothing to learn is left within max_length 128: cut 1 of 1 examples");
  }

  @Test
  void aRopeTypeThatIsNotKnown() throws IOException {
    change(
        "config.json",
        config -> ((ObjectNode) config.get("rope_parameters")).put("rope_type", "yarn"));
    all(
        model.resolve("config.json")
            + ": rope_type \"yarn\" is not supported; supported: default, linear, dynamic, llama3");
  }

  @Test
  void shardsThatAreNotWhole() throws IOException {
    Path shard = shard();
    byte[] whole = Files.readAllBytes(shard);
    Files.write(shard, Arrays.copyOf(whole, whole.length - 100));
    all(shard.toString(), "expected", "found");
    assertSaid(List.of("generate", "--prompt", "a", "--stream-layers"), shard.toString());
    Files.write(shard, Arrays.copyOf(whole, 5));
    all(shard.toString());
    Files.delete(shard);
    all(model.resolve(Checkpoint.INDEX) + ": expected the shard " + shard + ", found no such file");
    Files.write(shard, whole);
    change(
        Checkpoint.INDEX,
        index ->
            ((ObjectNode) index.get("weight_map"))
                .put("model.layers.9.weight", shard.getFileName().toString()));
    all(
        model.resolve(Checkpoint.INDEX)
            + ": expected tensor 'model.layers.9.weight' in "
            + shard.getFileName());
  }

  @Test
  void aFileThatIsCut() throws IOException {
    byte[] whole = Files.readAllBytes(GOLDEN.resolve(Checkpoint.SINGLE));
    Path file = model.resolve(Checkpoint.SINGLE);
    Files.write(file, Arrays.copyOf(whole, whole.length - 1000));
    all(file.toString(), "expected", "found");
    Files.write(file, new byte[0]);
    all(file.toString());
  }

  private Path shard() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      assertTrue(checkpoint.files().size() > 2, checkpoint.files().toString());
      return checkpoint.files().get(1);
    }
  }
}
