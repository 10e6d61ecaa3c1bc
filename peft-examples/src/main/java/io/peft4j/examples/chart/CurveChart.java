package io.peft4j.examples.chart;

import io.peft4j.train.report.Display;
import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.DoubleSummaryStatistics;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Collects a run's curves and draws them as one PNG: training loss (each step, and its moving
 * average) and validation loss by step, and below them the validation scores. Needs no display.
 */
public final class CurveChart implements TrainingListener {

  private static final int WIDTH = 960;
  private static final int PANEL_HEIGHT = 400;

  /** The evaluation metrics between -1 and 1 that the lower panel shows, and their labels. */
  private static final Map<String, String> SCORES = scores();

  private static final Color[] SCORE_COLOURS = {
    new Color(0x1b9e77), new Color(0x7570b3), new Color(0xe6ab02), new Color(0x666666)
  };

  private static final Color TRAIN = new Color(0x1f5fa8);
  private static final Color TRAIN_RAW = new Color(0xb9d0ea);
  private static final Color VALIDATION = new Color(0xd9541e);
  private static final Color INK = new Color(0x333333);
  private static final Color GRID = new Color(0xe6e6e6);

  private final String title;
  private final Curve train = new Curve();
  private final Curve validation = new Curve();
  private final Map<String, Curve> scores = new LinkedHashMap<>();

  /**
   * @param title what stands above the picture: the model and the data, say
   */
  public CurveChart(String title) {
    this.title = title;
  }

  private static Map<String, String> scores() {
    Map<String, String> scores = new LinkedHashMap<>();
    scores.put("accuracy", "accuracy");
    scores.put("f1", "F1");
    scores.put("matthews_correlation", "Matthews");
    scores.put("pearson", "Pearson");
    return scores;
  }

  @Override
  public void onStep(StepReport step) {
    train.add(step.step(), step.loss());
  }

  @Override
  public void onEvaluate(EvalReport evaluation) {
    evaluation
        .metrics()
        .forEach(
            (name, value) -> {
              if (name.equals("loss")) {
                validation.add(evaluation.step(), value);
              } else if (SCORES.containsKey(name)) {
                scores.computeIfAbsent(name, unused -> new Curve()).add(evaluation.step(), value);
              }
            });
  }

  /**
   * Draws what was heard so far. Values that are not finite are left out.
   *
   * @param png the file to write
   * @throws IOException if it cannot be written, or this Java installation cannot draw text
   * @throws IllegalStateException if there is no loss to draw
   */
  public void write(Path png) throws IOException {
    if (train.isEmpty() && validation.isEmpty()) {
      throw new IllegalStateException("no loss to draw in " + png + ": no step was heard");
    }
    List<XYChart> panels = new ArrayList<>();
    panels.add(lossPanel());
    if (scores.values().stream().anyMatch(curve -> !curve.isEmpty())) {
      panels.add(scorePanel());
    }
    Picture.write(panels, WIDTH, PANEL_HEIGHT, png);
  }

  private XYChart lossPanel() {
    XYChart chart = panel(title, "loss");
    DoubleSummaryStatistics losses =
        Stream.of(train, validation)
            .flatMapToDouble(curve -> Arrays.stream(curve.values()))
            .summaryStatistics();
    if (losses.getMin() < losses.getMax() / 2) {
      // a loss that fell far is seen against zero, one that fell little is not flattened
      chart.getStyler().setYAxisMin(0.0);
    }
    if (!train.isEmpty()) {
      line(chart, "training, each step", train, TRAIN_RAW, 1f, SeriesMarkers.NONE);
      line(chart, "training, smoothed", train.smoothed(), TRAIN, 2.2f, SeriesMarkers.NONE);
    }
    if (!validation.isEmpty()) {
      line(chart, "validation", validation, VALIDATION, 2.2f, SeriesMarkers.CIRCLE);
    }
    return chart;
  }

  private XYChart scorePanel() {
    XYChart chart = panel("", "validation score");
    int next = 0;
    for (Map.Entry<String, Curve> score : scores.entrySet()) {
      Curve curve = score.getValue();
      Color colour = SCORE_COLOURS[next++];
      if (!curve.isEmpty()) {
        String label =
            SCORES.get(score.getKey())
                + ", best "
                + Display.metric(curve.highest())
                + " after step "
                + curve.stepOfHighest();
        line(chart, label, curve, colour, 2.2f, SeriesMarkers.CIRCLE);
      }
    }
    return chart;
  }

  /** An empty panel; all share the range of steps, so that they line up. */
  private XYChart panel(String heading, String axis) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(PANEL_HEIGHT)
            .title(heading)
            .xAxisTitle("step")
            .yAxisTitle(axis)
            .build();
    XYStyler style = chart.getStyler();
    style.setLocale(Locale.ROOT);
    style.setChartTitleVisible(!heading.isEmpty());
    style.setChartTitleBoxVisible(false);
    style.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 16));
    style.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    style.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    style.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    style.setLegendPosition(LegendPosition.OutsideS);
    style.setLegendLayout(LegendLayout.Horizontal);
    style.setLegendPadding(14);
    style.setLegendBorderColor(Color.WHITE);
    style.setChartBackgroundColor(Color.WHITE);
    style.setChartFontColor(INK);
    style.setPlotBackgroundColor(Color.WHITE);
    style.setPlotBorderVisible(false);
    style.setPlotGridLinesColor(GRID);
    style.setPlotGridLinesStroke(new BasicStroke(1f));
    style.setPlotGridVerticalLinesVisible(false);
    style.setAxisTickLabelsColor(INK);
    style.setYAxisDecimalPattern("0.00#");
    // a short run has ticks between its steps
    style.setxAxisTickLabelsFormattingFunction(
        step -> step == Math.rint(step) ? Display.count(step.longValue()) : "");
    style.setPlotContentSize(0.96);
    style.setXAxisMin(0.0);
    style.setXAxisMax((double) Math.max(1, Math.max(train.lastStep(), validation.lastStep())));
    style.setMarkerSize(7);
    style.setAntiAlias(true);
    return chart;
  }

  private static void line(
      XYChart chart, String name, Curve curve, Color colour, float width, Marker marker) {
    // the last point first: XChart labels every n-th value of evenly rising ones, where it would
    // otherwise take round numbers
    Curve backward = curve.backward();
    XYSeries series = chart.addSeries(name, backward.steps(), backward.values());
    series.setLineColor(colour);
    series.setLineWidth(width);
    series.setMarker(marker);
    series.setMarkerColor(colour);
  }
}
