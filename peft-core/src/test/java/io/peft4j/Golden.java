package io.peft4j;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** Results of the Python reference, made by the scripts in {@code src/test/python}. */
public final class Golden {

  private static final ObjectMapper JSON = new ObjectMapper();

  private Golden() {}

  /** {@return a file or folder under {@code golden/}} */
  public static Path path(String name) {
    URL url = Golden.class.getResource("/golden/" + name);
    if (url == null) {
      throw new IllegalArgumentException("no test resource /golden/" + name);
    }
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** {@return names of the sub-folders of {@code folder} that start with {@code prefix}} */
  public static List<String> folders(String folder, String prefix) {
    try (Stream<Path> entries = Files.list(path(folder))) {
      return entries
          .filter(Files::isDirectory)
          .map(entry -> entry.getFileName().toString())
          .filter(name -> name.startsWith(prefix))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static JsonNode json(String name) {
    try {
      return JSON.readTree(path(name).toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static int[] ints(JsonNode array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).asInt();
    }
    return values;
  }

  public static float[][] matrix(JsonNode rows) {
    float[][] matrix = new float[rows.size()][];
    for (int i = 0; i < matrix.length; i++) {
      JsonNode row = rows.get(i);
      matrix[i] = new float[row.size()];
      for (int j = 0; j < row.size(); j++) {
        matrix[i][j] = (float) row.get(j).asDouble();
      }
    }
    return matrix;
  }

  /** {@return the padded inputs as a batch of {@code model}} */
  public static TokenBatch batch(Model model, JsonNode inputs) {
    List<TokenSequence> sequences = new ArrayList<>();
    for (int i = 0; i < inputs.get("input_ids").size(); i++) {
      JsonNode types = inputs.get("token_type_ids");
      sequences.add(
          model.unpad(
              ints(inputs.get("input_ids").get(i)),
              types == null ? null : ints(types.get(i)),
              ints(inputs.get("attention_mask").get(i))));
    }
    return model.batch(sequences);
  }

  /** {@return the largest absolute difference} */
  public static double distance(float[][] a, float[][] b) {
    if (a.length != b.length) {
      throw new AssertionError("expected " + a.length + " rows, found " + b.length);
    }
    double largest = 0;
    for (int i = 0; i < a.length; i++) {
      if (a[i].length != b[i].length) {
        throw new AssertionError(
            "row " + i + ": expected " + a[i].length + ", found " + b[i].length);
      }
      for (int j = 0; j < a[i].length; j++) {
        double difference = Math.abs((double) a[i][j] - b[i][j]);
        largest = Double.isNaN(difference) ? Double.NaN : Math.max(largest, difference);
      }
    }
    return largest;
  }

  /** {@return the rows of {@code golden}'s inputs, with its labels} */
  public static List<TokenSequence> labelled(Model model, JsonNode golden) {
    List<TokenSequence> sequences = new ArrayList<>();
    JsonNode inputs = golden.get("inputs");
    for (int i = 0; i < golden.get("labels").size(); i++) {
      int[] mask = ints(inputs.get("attention_mask").get(i));
      TokenSequence sequence = model.unpad(ints(inputs.get("input_ids").get(i)), null, mask);
      int[] labels = ints(golden.get("labels").get(i));
      sequences.add(sequence.withLabels(Arrays.copyOf(labels, sequence.length())));
    }
    return sequences;
  }
}
