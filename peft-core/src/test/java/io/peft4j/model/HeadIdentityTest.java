package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.Golden;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every family's head, trained for three labels, and what data and configs may say against it. */
class HeadIdentityTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  /** A copy of a checkpoint with other keys in its config; a null takes a key away. */
  private HeadIdentity head(String model, String changes) throws IOException {
    Path from = Golden.path(model);
    ObjectNode config = (ObjectNode) JSON.readTree(from.resolve("config.json").toFile());
    for (String key : List.of("id2label", "label2id", "problem_type")) {
      config.remove(key);
    }
    config.setAll((ObjectNode) JSON.readTree(changes.replace('\'', '"')));
    Files.writeString(folder.resolve("config.json"), config.toString());
    Path weights = folder.resolve("model.safetensors");
    if (!Files.exists(weights)) {
      Files.copy(from.resolve("model.safetensors"), weights);
    }
    return HeadIdentity.read(folder);
  }

  private static final String NAMED = "{'id2label': {'2': 'rude', '0': 'toxic', '1': 'spam'}}";

  private static LabelNames names(String... names) {
    return LabelNames.of(List.of(names));
  }

  private static String refused(HeadIdentity head, Task task, LabelNames names) {
    return assertThrows(IllegalArgumentException.class, () -> assertNotNull(head.meet(task, names)))
        .getMessage();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"encoders/bert", "encoders/roberta", "encoders/distilbert", "decoders/cls-llama"})
  void aTrainedHeadKeepsItsNamesAndTheirOrder(String model) throws IOException {
    HeadIdentity head = head(model, NAMED);
    assertTrue(head.trained());
    LabelNames own = names("toxic", "spam", "rude");
    assertEquals(own, head.labels());
    for (LabelNames asked :
        List.of(
            names("rude", "spam", "toxic"),
            names("rude", "toxic"),
            names("RUDE", "Spam", "toxic"),
            names("0", "2"),
            LabelNames.generic(3))) {
      HeadIdentity met = head.meet(Task.MULTI_LABEL, asked);
      assertEquals(own, met.labels(), asked.toString());
      assertEquals(Task.MULTI_LABEL, met.task());
    }
    for (LabelNames asked :
        List.of(names("toxic", "kind"), names("a", "b", "c"), names("1", "2", "3"))) {
      String message = refused(head, Task.SINGLE_LABEL, asked);
      assertTrue(message.contains("3 labels [toxic, spam, rude]"), message);
      assertTrue(message.contains(asked.size() + " labels " + asked), message);
    }
    assertTrue(refused(head, Task.REGRESSION, LabelNames.generic(1)).contains("1 numbers"));
  }

  @Test
  void aHeadWithoutNamesTakesAsManyInOrder() throws IOException {
    HeadIdentity head = head("encoders/bert", "{}");
    assertEquals(LabelNames.generic(3), head.labels());
    LabelNames asked = names("bad", "fair", "good");
    assertEquals(asked, head.meet(Task.SINGLE_LABEL, asked).labels());
    assertEquals(
        LabelNames.generic(3), head.meet(Task.SINGLE_LABEL, names("LABEL_2", "LABEL_0")).labels());
    String message = refused(head, Task.SINGLE_LABEL, names("neg", "pos"));
    assertTrue(message.contains("[LABEL_0, LABEL_1, LABEL_2]"), message);
    assertTrue(message.contains("[neg, pos]"), message);
    assertEquals(
        names("neg", "pos"), head.replaced(Task.SINGLE_LABEL, names("neg", "pos")).labels());
  }

  @Test
  void withoutATrainedHeadTheNamesAreTheDatas() throws IOException {
    HeadIdentity head = head("encoders/bert-bare", "{}");
    assertFalse(head.trained());
    LabelNames asked = names("b", "a", "c");
    assertEquals(asked, head.meet(Task.SINGLE_LABEL, asked).labels());
    HeadIdentity number = head.meet(Task.REGRESSION, LabelNames.of(List.of()));
    assertEquals(LabelNames.generic(1), number.labels());
    assertTrue(refused(head, Task.SINGLE_LABEL, names("only")).contains("at least two labels"));

    // the names in config.json are kept where they are the same ones
    HeadIdentity named = head("encoders/bert-bare", NAMED);
    assertEquals(
        names("toxic", "spam", "rude"),
        named.meet(Task.SINGLE_LABEL, names("rude", "spam", "toxic")).labels());
    assertEquals(asked, named.meet(Task.SINGLE_LABEL, asked).labels());
  }

  @Test
  void theTaskOfATrainedHeadIsKept() throws IOException {
    HeadIdentity multi = head("encoders/bert", "{'problem_type': 'multi_label_classification'}");
    assertEquals(Task.MULTI_LABEL, multi.declaredTask());
    String message = refused(multi, Task.SINGLE_LABEL, multi.labels());
    assertTrue(message.contains("multi_label_classification with 3"), message);
    assertTrue(message.contains("asked for is single_label_classification"), message);
    Files.delete(folder.resolve("model.safetensors"));
    HeadIdentity one = head("encoders/bert-regression", "{}");
    assertEquals(Task.REGRESSION, one.declaredTask());
    assertTrue(refused(one, Task.SINGLE_LABEL, names("a", "b")).contains("regression with 1"));
    HeadIdentity score = head("encoders/bert-regression", "{'id2label': {'0': 'score'}}");
    assertEquals(names("score"), score.meet(Task.REGRESSION, LabelNames.generic(1)).labels());
    Files.delete(folder.resolve("model.safetensors"));
    HeadIdentity two = head("encoders/bert-regression2", "{'problem_type': 'regression'}");
    assertEquals(2, two.meet(null, null).labels().size());
    assertTrue(refused(two, Task.REGRESSION, LabelNames.generic(1)).contains("2 numbers"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{'label2id': {'spam': 1, 'rude': 2, 'toxic': 0}}; [toxic, spam, rude]",
        "{'id2label': {'0': 'LABEL_0', '1': 'LABEL_1', '2': 'LABEL_2'},"
            + " 'label2id': {'b': 1, 'c': 2, 'a': 0}}; [a, b, c]",
        "{'id2label': {'0': 'x', '1': 'y', '2': 'z'}, 'label2id': {'z': 0, 'y': 1, 'x': 2}};"
            + " [x, y, z]",
        "{'id2label': {'0': 'x', '1': 'y', '2': 'z'}, 'label2id': {'LABEL_0': 0, 'LABEL_1': 1,"
            + " 'LABEL_2': 2}}; [x, y, z]",
        "{'num_labels': 3}; [LABEL_0, LABEL_1, LABEL_2]",
        "{'num_labels': 3, 'id2label': null}; [LABEL_0, LABEL_1, LABEL_2]",
      })
  void namesAreFoundWhereTheConfigHasThem(String config, String expected) throws IOException {
    assertEquals(expected, head("encoders/bert", config).labels().toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{'id2label': {'0': 'a', '1': 'b'}}; 2 labels [a, b] do not go with the 3 outputs",
        "{'num_labels': 2}; 2 labels [LABEL_0, LABEL_1] do not go with the 3 outputs",
        "{'num_labels': 2, 'id2label': {'0': 'a', '1': 'b', '2': 'c'}}; num_labels is 2, and there"
            + " are 3 names [a, b, c]",
        "{'id2label': {}}; 'id2label': expected a name for each label, found none",
        "{'id2label': ['a', 'b', 'c']}; 'id2label' must be an object",
        "{'label2id': {'a': 0, 'b': 0, 'c': 2}}; 'label2id': id2label should have the ids",
        "{'id2label': {'0': 'a'}, 'problem_type': 'single_label_classification'}; 1 labels [a]",
        "{'problem_type': 'ranking'}; problem_type 'ranking' is none of",
      })
  void contradictionsShowBothSides(String config, String expected) {
    String message =
        assertThrows(
                IllegalArgumentException.class, () -> assertNotNull(head("encoders/bert", config)))
            .getMessage();
    assertTrue(message.contains(expected), message);
    assertTrue(message.contains("config.json"), message);
  }

  @Test
  void whatIsWrittenSaysWhatTheHeadIs() throws IOException {
    assertNotNull(head("encoders/bert", "{'num_labels': 3}"));
    LoadOptions options = LoadOptions.DEFAULT.withNewHead(Task.SINGLE_LABEL, names("neg", "pos"));
    try (Model model = Model.load(folder, options)) {
      assertEquals(List.of("classifier.weight", "classifier.bias"), model.untrained());
      assertFalse(
          model.config().json().has("num_labels"), "which transformers takes for id2label's");
      assertEquals("pos", model.config().json().at("/id2label/1").asText());
    }
    try (Model model = Model.load(folder, LoadOptions.DEFAULT)) {
      assertEquals(List.of(), model.untrained());
      assertFalse(model.config().json().has("problem_type"), "nobody has said it");
    }
  }
}
