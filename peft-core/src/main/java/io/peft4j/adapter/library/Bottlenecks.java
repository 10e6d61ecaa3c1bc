package io.peft4j.adapter.library;

import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.model.module.Junction;
import io.peft4j.model.module.LayerSites;
import java.util.ArrayList;
import java.util.List;

/**
 * The bottlenecks of several adapters at one place.
 *
 * @param adapters in order
 */
record Bottlenecks(Junction junction, List<BottleneckAdapter> adapters) {

  /**
   * {@return the places where all of some adapters have one, which they then act through}
   *
   * @throws IllegalArgumentException if there is no adapter of a name, it is of another kind, or
   *     they have no place in common
   */
  static List<Bottlenecks> of(List<String> names, AdapterBuilder builder) {
    List<Adapter> used = names.stream().map(builder::use).toList();
    List<Bottlenecks> places = new ArrayList<>();
    for (LayerSites sites : builder.model().sites()) {
      for (Junction junction : List.of(sites.attention(), sites.output())) {
        List<BottleneckAdapter> here =
            used.stream()
                .map(adapter -> adapter.junctions().get(junction))
                .filter(BottleneckAdapter.class::isInstance)
                .map(BottleneckAdapter.class::cast)
                .toList();
        if (here.size() == names.size()) {
          places.add(new Bottlenecks(junction, here));
        }
      }
    }
    if (places.isEmpty()) {
      throw new IllegalArgumentException(
          names + " should all be bottlenecks with a place in common");
    }
    return places;
  }
}
