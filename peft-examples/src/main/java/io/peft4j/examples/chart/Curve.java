package io.peft4j.examples.chart;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Finite values by step, in the order they came. */
final class Curve {

  private record Point(int step, double value) {}

  private final List<Point> points = new ArrayList<>();

  void add(int step, double value) {
    if (Double.isFinite(value)) {
      points.add(new Point(step, value));
    }
  }

  boolean isEmpty() {
    return points.isEmpty();
  }

  double[] steps() {
    return points.stream().mapToDouble(Point::step).toArray();
  }

  double[] values() {
    return points.stream().mapToDouble(Point::value).toArray();
  }

  /** The last step, 0 where there is none. */
  int lastStep() {
    return points.isEmpty() ? 0 : points.get(points.size() - 1).step();
  }

  double highest() {
    return best().value();
  }

  int stepOfHighest() {
    return best().step();
  }

  private Point best() {
    Point best = points.get(0);
    for (Point point : points) {
      if (point.value() > best.value()) {
        best = point;
      }
    }
    return best;
  }

  /** The same points, the last one first. */
  Curve backward() {
    Curve backward = new Curve();
    backward.points.addAll(points);
    Collections.reverse(backward.points);
    return backward;
  }

  /**
   * The exponential moving average over about a twentieth of the points, freed of the bias to its
   * start as in Adam (Kingma and Ba, 2015, section 3).
   */
  Curve smoothed() {
    double keep = 1 - 1 / Math.max(1, points.size() / 20.0);
    Curve smoothed = new Curve();
    double sum = 0;
    double weight = 0;
    for (Point point : points) {
      sum = keep * sum + (1 - keep) * point.value();
      weight = keep * weight + (1 - keep);
      smoothed.add(point.step(), sum / weight);
    }
    return smoothed;
  }
}
