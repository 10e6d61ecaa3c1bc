package io.peft4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Vectors are those of transformers and sentence-transformers' pooling. */
class EmbeddingHeadTest {

  @ParameterizedTest
  @ValueSource(strings = {"bert", "roberta", "distilbert"})
  void vectorsAreThoseOfPython(String name, @TempDir Path folder) throws IOException {
    check(Golden.path("encoders/" + name), name, "mean");
    try (Stream<Path> files = Files.list(Golden.path("encoders/" + name))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    Files.createDirectory(folder.resolve("1_Pooling"));
    Files.writeString(
        folder.resolve("1_Pooling/config.json"),
        "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}");
    check(folder, name, "first");
    Files.writeString(
        folder.resolve("modules.json"),
        "[{\"type\": \"sentence_transformers.models.Transformer\"},"
            + " {\"type\": \"sentence_transformers.models.Pooling\"}]");
    check(folder, name, "first_as_it_is");
    Files.delete(folder.resolve("1_Pooling/config.json"));
    check(folder, name, "mean_as_it_is");
  }

  private static void check(Path base, String name, String pooling) throws IOException {
    try (Model model = Model.load(base, LoadOptions.DEFAULT, EmbeddingHead.KIND);
        AdapterRouter router = AdapterRouter.builder(model).build()) {
      List<CompletableFuture<Classified>> found = new ArrayList<>();
      JsonNode cases = Golden.json("embeddings.json").get(name);
      for (JsonNode each : cases) {
        int[] ids = numbers(each.get("ids"));
        found.add(router.classify(ClassificationRequest.of(null, ids, null)));
      }
      assertEquals(4, found.size());
      for (int i = 0; i < found.size(); i++) {
        float[] vector = found.get(i).join().scores();
        JsonNode expected = cases.get(i).get(pooling);
        assertEquals(expected.size(), vector.length);
        for (int j = 0; j < vector.length; j++) {
          double off = Math.abs(expected.get(j).asDouble() - vector[j]);
          assertTrue(off < 1e-5, name + " " + pooling + " differs by " + off);
        }
      }
    }
  }

  private static int[] numbers(JsonNode array) {
    int[] numbers = new int[array.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = array.get(i).asInt();
    }
    return numbers;
  }
}
