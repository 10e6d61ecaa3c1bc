package io.peft4j.examples.chart;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.ProcessMemory;
import io.peft4j.train.report.StepReport;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CurveChartTest {

  @TempDir Path folder;

  private static void step(CurveChart chart, int step, double loss) {
    chart.onStep(
        new StepReport(step, 300, step / 100.0, loss, 1e-3, 1, 1, 1, ProcessMemory.now(), 1, 1));
  }

  private static void evaluate(CurveChart chart, int step, double loss, double accuracy) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("loss", loss);
    metrics.put("accuracy", accuracy);
    metrics.put("runtime", 12.5);
    chart.onEvaluate(new EvalReport(step, step / 100.0, metrics));
  }

  /** A run that looks like a real one. */
  private static CurveChart run() {
    CurveChart chart = new CurveChart("MiniLM-L6, LoRA r=8, medical device reviews");
    Random random = new Random(7);
    evaluate(chart, 0, 0.697, 0.512);
    for (int step = 1; step <= 300; step++) {
      double loss = 0.15 + 0.55 * Math.exp(-step / 60.0);
      step(chart, step, loss * (1 + 0.25 * random.nextGaussian()));
      if (step % 50 == 0) {
        evaluate(chart, step, loss + 0.04 + step / 6000.0, 0.92 - 0.4 * Math.exp(-step / 50.0));
      }
    }
    return chart;
  }

  /** Pixels of one colour, which only one kind of line has. */
  private static long count(BufferedImage image, int rgb) {
    long count = 0;
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        count += (image.getRGB(x, y) & 0xffffff) == rgb ? 1 : 0;
      }
    }
    return count;
  }

  @Test
  void drawsEveryCurveInTwoPanels() throws IOException {
    Path png = folder.resolve("new/curves.png");
    run().write(png);
    BufferedImage image = ImageIO.read(png.toFile());
    assertEquals(1920, image.getWidth());
    assertEquals(1600, image.getHeight());
    for (int colour : new int[] {0xb9d0ea, 0x1f5fa8, 0xd9541e, 0x1b9e77}) {
      assertTrue(count(image, colour) > 1000, Integer.toHexString(colour));
    }
  }

  @Test
  void leavesOutThePanelAndTheCurvesThatHaveNoValues() throws IOException {
    CurveChart chart = new CurveChart("training only");
    step(chart, 1, 0.5);
    step(chart, 2, Double.NaN);
    step(chart, 3, 0.25);
    Path png = folder.resolve("curves.png");
    chart.write(png);
    BufferedImage image = ImageIO.read(png.toFile());
    assertEquals(800, image.getHeight());
    assertEquals(0, count(image, 0xd9541e));
    assertTrue(count(image, 0x1f5fa8) > 100);
  }

  @Test
  void refusesToDrawNothingAndLeavesNoFile() {
    Path png = folder.resolve("curves.png");
    CurveChart chart = new CurveChart("empty");
    step(chart, 1, Double.NaN);
    assertThrows(IllegalStateException.class, () -> chart.write(png));
    assertFalse(Files.exists(png));
  }

  @Test
  void aFolderThatCannotBeMadeIsAnError() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    assertThrows(IOException.class, () -> run().write(file.resolve("curves.png")));
  }

  @Test
  void smoothingKeepsAConstantAndTheFirstValue() {
    Curve constant = new Curve();
    Curve falling = new Curve();
    for (int step = 1; step <= 100; step++) {
      constant.add(step, 3);
      falling.add(step, 100 - step);
    }
    for (double value : constant.smoothed().values()) {
      assertEquals(3, value, 1e-12);
    }
    double[] smoothed = falling.smoothed().values();
    assertEquals(99, smoothed[0], 1e-12);
    // a moving average that keeps 4/5 trails a straight line by four steps
    assertEquals(4, smoothed[99], 1e-6);
    assertArrayEquals(falling.steps(), falling.smoothed().steps());
    assertEquals(99, falling.highest());
    assertEquals(1, falling.stepOfHighest());
  }
}
