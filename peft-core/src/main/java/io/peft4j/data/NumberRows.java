package io.peft4j.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.peft4j.io.JsonErrors;
import java.math.BigDecimal;
import java.util.List;

/**
 * Labels that are numbers by place rather than names: the values of a regression, and rows of 0 and
 * 1 (or of what lies between) that say of each class whether it applies.
 */
final class NumberRows {
  private static final JsonMapper JSON = new JsonMapper();

  private NumberRows() {}

  /**
   * The targets of a regression: one number, or an array of them, in each row.
   *
   * @throws DataException if a label is no finite number, or rows differ in how many they have
   */
  static float[][] values(String source, List<Example> examples) {
    float[][] rows = new float[examples.size()][];
    for (int i = 0; i < rows.length; i++) {
      Example example = examples.get(i);
      rows[i] = values(source, example);
      if (rows[i].length != rows[0].length) {
        throw new DataException(
            source,
            example.line(),
            "expected as many numbers as in the first row, "
                + rows[0].length
                + ", found "
                + rows[i].length);
      }
    }
    return rows;
  }

  private static float[] values(String source, Example example) {
    if (!example.label().startsWith("[")) {
      return new float[] {value(source, example, example.label())};
    }
    JsonNode array = array(source, example);
    if (array.isEmpty()) {
      throw new DataException(source, example.line(), "expected a number, found an empty array");
    }
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = value(source, example, array.get(i).asText());
    }
    return values;
  }

  private static float value(String source, Example example, String text) {
    Float value = number(text);
    if (value == null) {
      throw new DataException(
          source, example.line(), "label '" + text + "' is not a finite number");
    }
    return value;
  }

  /**
   * The targets of several labels, where every row is as long and holds numbers from 0 to 1.
   *
   * @param labels the parts of each row's label
   * @param width how many there have to be, or 0 for any number from 2 on
   * @return [examples][classes], or null where the rows are something else, such as names
   */
  static float[][] multiHot(List<List<String>> labels, int width) {
    int wanted = width != 0 || labels.isEmpty() ? width : labels.get(0).size();
    if (wanted < 2) {
      return null; // a row of one is the id of a class
    }
    float[][] rows = new float[labels.size()][wanted];
    for (int i = 0; i < rows.length; i++) {
      List<String> parts = labels.get(i);
      for (int j = 0; j < parts.size(); j++) {
        Float value = parts.size() == wanted ? number(parts.get(j)) : null;
        if (value == null || value < 0 || value > 1) {
          return null;
        }
        rows[i][j] = value;
      }
      if (parts.size() != wanted) {
        return null;
      }
    }
    return rows;
  }

  /** {@return the number, or null for what is none or is not finite} */
  static Float number(String text) {
    try {
      float value = new BigDecimal(text).floatValue(); // parseFloat would take 1f, 0x1p3 and NaN
      return Float.isFinite(value) ? value : null;
    } catch (NumberFormatException e) {
      return null;
    }
  }

  /**
   * {@return the label, which begins as an array does, as JSON}
   *
   * @throws DataException if it is none
   */
  static JsonNode array(String source, Example example) {
    try {
      return JSON.readTree(example.label());
    } catch (JsonProcessingException e) {
      throw new DataException(
          source,
          example.line(),
          "label " + example.label() + " is no JSON array: " + JsonErrors.sentence(e));
    }
  }
}
