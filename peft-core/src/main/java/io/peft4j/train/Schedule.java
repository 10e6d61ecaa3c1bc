package io.peft4j.train;

import io.peft4j.io.Services;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.ServiceLoader;

/**
 * How the learning rate moves over a run. The library's have transformers' definitions and names;
 * others are found by name through {@link ServiceLoader}, or given to the arguments.
 */
public interface Schedule {

  /** After warm-up, straight down to zero. */
  Schedule LINEAR = new Decay("LINEAR", true, progress -> Math.max(0, 1 - progress));

  /** After warm-up, half a cosine down to zero. */
  Schedule COSINE =
      new Decay("COSINE", true, progress -> Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress))));

  /** Unchanged, without warm-up. */
  Schedule CONSTANT = new Decay("CONSTANT", false, progress -> 1);

  /** After warm-up, unchanged. */
  Schedule CONSTANT_WITH_WARMUP = new Decay("CONSTANT_WITH_WARMUP", true, progress -> 1);

  /**
   * {@return the name, in capitals} With the factor's settings, if it has any: two runs whose
   * schedules have one name pass through the same steps.
   */
  String name();

  /**
   * The factor on the peak rate.
   *
   * @param step optimizer steps done before, from 0
   * @param warmupSteps steps over which the factor rises from 0 to 1
   * @param totalSteps steps of the run
   */
  double factor(int step, int warmupSteps, int totalSteps);

  /**
   * {@return the schedule of that name, in letters of any case}
   *
   * @throws IllegalArgumentException if there is none on the class path; the message has those
   *     there are
   */
  static Schedule named(String name) {
    Map<String, Schedule> known = all();
    Schedule found = known.get(name.toUpperCase(Locale.ROOT));
    if (found == null) {
      throw new IllegalArgumentException(
          "lr_scheduler_type: expected one of "
              + String.join(", ", known.keySet()).toLowerCase(Locale.ROOT)
              + ", found "
              + name);
    }
    return found;
  }

  /** {@return the schedules there are, by name} */
  static Map<String, Schedule> all() {
    Map<String, Schedule> known = new LinkedHashMap<>();
    for (Schedule own : new Schedule[] {LINEAR, COSINE, CONSTANT, CONSTANT_WITH_WARMUP}) {
      known.put(own.name(), own);
    }
    Services.load(Schedule.class).forEach(other -> known.putIfAbsent(other.name(), other));
    return known;
  }
}
