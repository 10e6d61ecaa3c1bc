package io.peft4j.serve;

import io.peft4j.data.LabelNames;
import io.peft4j.model.Model;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Places that adapters running together have their factors and heads at from one batch to the next,
 * so that a batch writes only those that were not in a recent one.
 */
final class Arena implements AutoCloseable {

  private final LoraStacks factors;
  private final HeadStacks heads;
  private final int outputs;
  private final int most;
  private final List<AdapterVersion> occupants = new ArrayList<>();
  private final Map<AdapterVersion, Long> lastUse = new HashMap<>();
  private long clock;

  /**
   * @param batch adapters that there have to be places for
   */
  Arena(Model model, int batch) {
    this.factors = new LoraStacks(model);
    this.heads = new HeadStacks(model);
    this.most = 2 * batch;
    this.outputs = model.head().labels().map(LabelNames::size).orElse(0);
  }

  /** {@return how many outputs the base has; 0 where they are no labels} */
  int outputs() {
    return outputs;
  }

  /** {@return where each of {@code versions} is} */
  Map<AdapterVersion, Integer> places(Collection<AdapterVersion> versions) {
    clock++;
    versions.forEach(version -> lastUse.put(version, clock));
    Set<AdapterVersion> missing = new HashSet<>(versions);
    missing.removeAll(occupants);
    for (AdapterVersion version : missing) {
      int place = free();
      factors.put(place, version.adapter());
      heads.put(place, version.adapter());
      occupants.set(place, version);
    }
    Map<AdapterVersion, Integer> places = new HashMap<>();
    versions.forEach(version -> places.put(version, occupants.indexOf(version)));
    return places;
  }

  private int free() {
    int none = occupants.indexOf(null);
    if (none >= 0) {
      return none;
    }
    if (occupants.size() < most) {
      occupants.add(null);
      return occupants.size() - 1;
    }
    int oldest = 0;
    for (int place = 1; place < occupants.size(); place++) {
      if (lastUse.get(occupants.get(place)) < lastUse.get(occupants.get(oldest))) {
        oldest = place;
      }
    }
    lastUse.remove(occupants.get(oldest));
    return oldest;
  }

  /** Gives up the place of one that goes out of memory. */
  void forget(AdapterVersion version) {
    int place = occupants.indexOf(version);
    if (place >= 0) {
      factors.put(place, null);
      heads.put(place, null);
      occupants.set(place, null);
      lastUse.remove(version);
    }
  }

  /**
   * Lets them act in the model's next pass.
   *
   * @param places of the pass's rows
   */
  void attach(int[] places) {
    // a whole layer first: to it the factors of other adapters are added
    heads.attach(places);
    factors.attach(new LoraStack.Groups(places));
  }

  void detach() {
    factors.detach();
    heads.detach();
  }

  @Override
  public void close() {
    factors.close();
    heads.close();
  }
}
