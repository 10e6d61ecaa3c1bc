package io.peft4j.examples.chart;

import io.peft4j.io.AtomicFiles;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import javax.imageio.ImageIO;
import org.knowm.xchart.internal.chartpart.Chart;

/** Panels, one below the other, as one PNG. Needs no display. */
final class Picture {

  /** Pixels a unit, so that the picture stays sharp on dense screens and in print. */
  private static final int SCALE = 2;

  private Picture() {}

  /**
   * Draws them.
   *
   * @param height of each
   * @throws IOException if it cannot be written, or this Java installation cannot draw text
   */
  static void write(List<? extends Chart<?, ?>> panels, int width, int height, Path png)
      throws IOException {
    write(() -> draw(panels, width, height), png);
  }

  private static void write(Supplier<BufferedImage> drawing, Path png) throws IOException {
    BufferedImage image;
    try {
      image = drawing.get();
    } catch (LinkageError | InternalError e) {
      // a Java without its font libraries, or a system without fonts, fails like this
      throw new IOException(
          "cannot draw " + png + ": Java finds no fonts here (install fontconfig and a font)", e);
    }
    AtomicFiles.write(
        png,
        temporary -> {
          if (!ImageIO.write(image, "png", temporary.toFile())) {
            throw new IOException("cannot write " + png + ": this Java has no PNG writer");
          }
        });
  }

  private static BufferedImage draw(List<? extends Chart<?, ?>> panels, int width, int height) {
    BufferedImage image =
        new BufferedImage(
            width * SCALE, height * panels.size() * SCALE, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    try {
      graphics.scale(SCALE, SCALE);
      for (Chart<?, ?> panel : panels) {
        panel.paint(graphics, width, height);
        graphics.translate(0, height);
      }
    } finally {
      graphics.dispose();
    }
    return image;
  }
}
