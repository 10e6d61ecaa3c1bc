package io.peft4j.examples.chart;

import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.style.CategoryStyler;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Panels of bars, one below the other, as one PNG. Needs no display. */
public final class ComparisonChart {

  private static final int WIDTH = 960;
  private static final int PANEL_HEIGHT = 340;

  private static final Color[] COLOURS = {
    new Color(0xb9d0ea), new Color(0x1f5fa8), new Color(0xd9541e)
  };

  private static final Color INK = new Color(0x333333);
  private static final Color GRID = new Color(0xe6e6e6);

  private final List<CategoryChart> panels = new ArrayList<>();

  /**
   * Adds a panel below those there are.
   *
   * @param axis what the bars' height is
   * @param categories the groups of bars
   * @param series for each name, a bar of each group
   */
  public void panel(
      String title, String axis, List<String> categories, Map<String, List<Double>> series) {
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(PANEL_HEIGHT)
            .title(title)
            .yAxisTitle(axis)
            .build();
    CategoryStyler style = chart.getStyler();
    style.setLocale(Locale.ROOT);
    style.setChartTitleBoxVisible(false);
    style.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15));
    style.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    style.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    style.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    style.setLegendPosition(LegendPosition.OutsideS);
    style.setLegendLayout(LegendLayout.Horizontal);
    style.setLegendBorderColor(Color.WHITE);
    style.setChartBackgroundColor(Color.WHITE);
    style.setChartFontColor(INK);
    style.setPlotBackgroundColor(Color.WHITE);
    style.setPlotBorderVisible(false);
    style.setPlotGridLinesColor(GRID);
    style.setPlotGridVerticalLinesVisible(false);
    style.setAxisTickLabelsColor(INK);
    style.setLabelsVisible(true);
    style.setLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    style.setLabelsPosition(1.0);
    style.setLabelsFontColor(INK);
    style.setYAxisMin(0.0);
    style.setAvailableSpaceFill(0.8);
    style.setXAxisMaxLabelCount(categories.size());
    style.setXAxisLabelRotation(categories.size() > 6 ? 20 : 0);
    style.setSeriesColors(COLOURS);
    style.setAntiAlias(true);
    style.setDecimalPattern("#,##0.##");
    series.forEach((name, values) -> chart.addSeries(name, categories, values));
    panels.add(chart);
  }

  /**
   * Draws the panels.
   *
   * @throws IOException if it cannot be written, or this Java installation cannot draw text
   * @throws IllegalStateException if there is none
   */
  public void write(Path png) throws IOException {
    if (panels.isEmpty()) {
      throw new IllegalStateException("nothing to draw in " + png);
    }
    Picture.write(panels, WIDTH, PANEL_HEIGHT, png);
  }
}
