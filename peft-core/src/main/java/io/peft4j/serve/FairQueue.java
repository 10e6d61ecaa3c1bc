package io.peft4j.serve;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Requests in the order they came, those of each adapter in a line of their own; the lines take
 * turns, so that one with a thousand requests does not keep the others waiting. Thread-safe by its
 * owner's lock.
 */
final class FairQueue<W extends Waiting> {

  /** The line of the base has the key "". */
  private final Map<String, Deque<W>> lines = new LinkedHashMap<>();

  private int size;

  int size() {
    return size;
  }

  private static String key(Waiting request) {
    return Objects.requireNonNullElse(request.adapterName(), "");
  }

  void add(W request) {
    lines.computeIfAbsent(key(request), key -> new ArrayDeque<>()).addLast(request);
    size++;
  }

  /**
   * {@return the first request of the line whose turn it is, taken out; null if there is none}
   *
   * @param skipped keys of lines that have to wait
   */
  W poll(Set<String> skipped) {
    for (Map.Entry<String, Deque<W>> line : lines.entrySet()) {
      if (!skipped.contains(line.getKey())) {
        W request = line.getValue().pollFirst();
        size--;
        lines.remove(line.getKey());
        if (!line.getValue().isEmpty()) {
          lines.put(line.getKey(), line.getValue()); // to the end
        }
        return request;
      }
    }
    return null;
  }

  /** Puts a request that was taken out back as the first of its line, and lets that wait. */
  void putBack(W request, Set<String> skipped) {
    lines.computeIfAbsent(key(request), key -> new ArrayDeque<>()).addFirst(request);
    size++;
    skipped.add(key(request));
  }

  /** Takes out all of which {@code condition} is true. */
  List<W> removeIf(Predicate<W> condition) {
    List<W> removed = new ArrayList<>();
    for (Iterator<Deque<W>> each = lines.values().iterator(); each.hasNext(); ) {
      Deque<W> line = each.next();
      line.removeIf(
          request -> {
            boolean out = condition.test(request);
            if (out) {
              removed.add(request);
            }
            return out;
          });
      if (line.isEmpty()) {
        each.remove();
      }
    }
    size -= removed.size();
    return removed;
  }
}
