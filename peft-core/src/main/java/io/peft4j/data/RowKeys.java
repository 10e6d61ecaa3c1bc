package io.peft4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says which keys of a file's rows are not used: each once, with how many rows have it. For one
 * file and one thread.
 */
public final class RowKeys {

  private static final Logger LOG = LoggerFactory.getLogger(RowKeys.class);

  /** Keys with which a row is something else than what a language model is tuned on here. */
  static final Map<String, String> REFUSED =
      Map.ofEntries(
          Map.entry("image", "pictures are not read"),
          Map.entry("images", "pictures are not read"),
          Map.entry("video", "films are not read"),
          Map.entry("videos", "films are not read"),
          Map.entry("audio", "sounds are not read"),
          Map.entry("audios", "sounds are not read"),
          Map.entry("chosen", "preferences are not learnt from"),
          Map.entry("rejected", "preferences are not learnt from"),
          Map.entry("completions", "graded steps are not learnt from"),
          Map.entry("input_ids", "rows are tokenized here"),
          Map.entry("labels", "rows are tokenized here"),
          Map.entry("completion_mask", "rows are tokenized here"),
          Map.entry("assistant_masks", "rows are tokenized here"),
          Map.entry("seq_lengths", "rows are tokenized here"));

  private record Seen(int line, int rows) {}

  private final Map<String, Seen> unused = new TreeMap<>();

  /** For a file of which nothing has been read. */
  public RowKeys() {}

  /** {@return what is wrong with a row's keys, or null} */
  static String refused(JsonNode row) {
    for (Map.Entry<String, JsonNode> entry : row.properties()) {
      String why = REFUSED.get(entry.getKey());
      JsonNode value = entry.getValue();
      if (why != null && !isNothing(value)) {
        return "'" + entry.getKey() + "' cannot be used: " + why;
      }
    }
    return null;
  }

  private static boolean isNothing(JsonNode value) {
    return value.isNull() || value.isContainerNode() && value.isEmpty();
  }

  /**
   * Notes the keys of a row beyond those that are used; nulls and empty lists and objects say
   * nothing and are passed over.
   *
   * @param line the row's, from 1
   */
  public void see(JsonNode row, int line, Set<String> used) {
    row.fieldNames()
        .forEachRemaining(
            key -> {
              JsonNode value = row.get(key);
              if (!used.contains(key) && !isNothing(value)) {
                unused.merge(key, new Seen(line, 1), (a, b) -> new Seen(a.line, a.rows + 1));
              }
            });
  }

  /** Warns of what was seen, if anything, in one line. */
  public void report(Path file) {
    if (!unused.isEmpty()) {
      List<String> parts =
          unused.entrySet().stream()
              .map(
                  entry ->
                      "'"
                          + entry.getKey()
                          + "' ("
                          + entry.getValue().rows
                          + " rows, first in line "
                          + entry.getValue().line
                          + ")")
              .toList();
      LOG.warn("{}: not used: {}", file, String.join(", ", parts));
    }
  }
}
