package io.peft4j.serve;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Which adapter a name means. Thread-safe. */
final class AdapterRegistry {

  private final AdapterInspection inspection;
  private final AdapterVersion base;
  private final Map<String, AdapterVersion> byName = new LinkedHashMap<>();
  private long registered;

  AdapterRegistry(AdapterInspection inspection, AdapterVersion base) {
    this.inspection = inspection;
    this.base = base;
  }

  /**
   * {@return the version that the name meant before, which is retired, or null}
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if it cannot be served; the name means what it did before
   */
  AdapterVersion register(String name, Path folder) throws IOException {
    if (name == null || name.isEmpty()) {
      throw new IllegalArgumentException("expected a name for the adapter, found none");
    }
    AdapterVersion.Facts facts = inspection.look(folder);
    synchronized (this) {
      registered++;
      AdapterVersion before = byName.put(name, new AdapterVersion(name, registered, facts));
      if (before != null) {
        before.retire();
      }
      return before;
    }
  }

  /** {@return what was registered under the name, which is retired, or null} */
  synchronized AdapterVersion remove(String name) {
    AdapterVersion before = byName.remove(name);
    if (before != null) {
      before.retire();
    }
    return before;
  }

  /**
   * {@return what the name means now}
   *
   * @param name null for the base
   * @throws UnknownAdapterException if it means nothing
   */
  synchronized AdapterVersion find(String name) {
    AdapterVersion found = name == null ? base : byName.get(name);
    if (found == null) {
      throw new UnknownAdapterException(name);
    }
    return found;
  }

  synchronized List<AdapterVersion> all() {
    return new ArrayList<>(byName.values());
  }
}
