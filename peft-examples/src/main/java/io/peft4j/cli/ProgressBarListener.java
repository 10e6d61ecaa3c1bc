package io.peft4j.cli;

import io.peft4j.train.report.Display;
import io.peft4j.train.report.EvalReport;
import io.peft4j.train.report.LogListener;
import io.peft4j.train.report.RunInfo;
import io.peft4j.train.report.RunSummary;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressState;

/**
 * Shows a run on a terminal as one line that is drawn over and over (progress, loss, examples/s,
 * tokens/s, memory, time left), with a line above it for each evaluation.
 */
public final class ProgressBarListener implements TrainingListener {

  private static final int MILLIS_BETWEEN_DRAWINGS = 250;
  private static final int LONGEST_BAR = 30;
  private static final int SHORTEST_BAR = 8;

  private final Screen screen;
  private volatile StepReport latest;
  private ProgressBar bar;

  /**
   * @param out the terminal
   */
  public ProgressBarListener(PrintStream out) {
    this(new Screen(out));
  }

  /**
   * @param out the terminal
   * @param width characters in one of its lines
   */
  ProgressBarListener(PrintStream out, int width) {
    this(new Screen(out, width));
  }

  private ProgressBarListener(Screen screen) {
    this.screen = screen;
  }

  /**
   * The listener that suits where the program runs: a progress bar on standard error if that is a
   * person's terminal, log lines otherwise.
   *
   * @param logEverySteps optimizer steps between two log lines
   */
  public static TrainingListener forConsole(int logEverySteps) {
    boolean terminal = System.console() != null && !"dumb".equals(System.getenv("TERM"));
    return terminal ? new ProgressBarListener(System.err) : new LogListener(logEverySteps);
  }

  @Override
  public void onResume(Path folder, int step, double epoch) {
    screen.line(
        String.format(
            Locale.ROOT,
            "Going on from %s: step %s, epoch %s",
            folder,
            Display.count(step),
            Display.epoch(epoch)));
  }

  @Override
  public void onStart(RunInfo run) {
    close();
    screen.line(
        String.format(
            Locale.ROOT,
            "Training %s of %s parameters (%s %%) for %s steps over %s examples",
            Display.count(run.trainableParameters()),
            Display.count(run.totalParameters()),
            Display.percent(run.trainableShare()),
            Display.count(run.totalSteps()),
            Display.count(run.examples())));
    screen.open();
    bar =
        new ProgressBarBuilder()
            .setInitialMax(run.totalSteps())
            .startsFrom(run.startStep(), Duration.ZERO)
            .setUpdateIntervalMillis(MILLIS_BETWEEN_DRAWINGS)
            .setRenderer(this::render)
            .setConsumer(screen)
            .build();
  }

  @Override
  public void onStep(StepReport step) {
    latest = step;
    bar.stepTo(step.step());
  }

  @Override
  public void onEvaluate(EvalReport evaluation) {
    screen.line(
        String.format(
            Locale.ROOT,
            "step %s, epoch %s: %s",
            Display.count(evaluation.step()),
            Display.epoch(evaluation.epoch()),
            Display.metrics(evaluation.metrics())));
  }

  @Override
  public void onEnd(RunSummary summary) {
    close();
    screen.line(
        String.format(
            Locale.ROOT,
            "%s after %s steps in %s: mean loss %s, %s examples/s, peak memory %s",
            summary.stoppedEarly() ? "Stopped early" : "Done",
            Display.count(summary.step()),
            Display.duration(summary.seconds()),
            Display.metric(summary.loss()),
            Display.rate(summary.examplesPerSecond()),
            Display.peakMemory(summary.memory())));
  }

  /** Stops drawing and leaves the last drawing in its own line. */
  @Override
  public void close() {
    if (bar != null) {
      bar.close();
      bar = null;
      // a bar that is closed before its first drawing does not close its consumer
      screen.close();
    }
  }

  /** One drawing; where the line is too short, the last figures are left out. */
  private String render(ProgressState state, int width) {
    // read once: the training thread goes on
    long done = state.getCurrent();
    double progress = state.getMax() == 0 ? 1 : (double) done / state.getMax();
    String head = String.format(Locale.ROOT, "%3d%% ", (int) (100 * progress));
    StringBuilder tail =
        new StringBuilder(String.format(Locale.ROOT, " %d/%d", done, state.getMax()));
    for (String figure : figures()) {
      if (head.length() + SHORTEST_BAR + tail.length() + 3 + figure.length() <= width) {
        tail.append(" | ").append(figure);
      }
    }
    int length = Math.min(LONGEST_BAR, width - head.length() - tail.length());
    return head + bar(progress, Math.max(SHORTEST_BAR, length)) + tail;
  }

  private List<String> figures() {
    StepReport step = latest;
    return step == null
        ? List.of()
        : List.of(
            "loss " + Display.metric(step.loss()),
            Display.duration(step.secondsLeft()) + " left",
            Display.rate(step.examplesPerSecond()) + " ex/s",
            Display.rate(step.tokensPerSecond()) + " tok/s",
            Display.memory(step.memory()));
  }

  private static String bar(double progress, int length) {
    int inside = length - 2;
    int full = (int) (progress * inside);
    String arrow = full < inside ? "=".repeat(full) + ">" : "=".repeat(inside);
    return "[" + arrow + " ".repeat(inside - arrow.length()) + "]";
  }

  /** The terminal, which the bar's own thread and the training thread both write to. */
  private static final class Screen extends ConsoleProgressBarConsumer {

    private final PrintStream terminal;
    private boolean open;
    private int drawn;

    Screen(PrintStream terminal) {
      super(terminal);
      this.terminal = terminal;
    }

    Screen(PrintStream terminal, int width) {
      super(terminal, width);
      this.terminal = terminal;
    }

    synchronized void open() {
      open = true;
    }

    /** Draws over what stands in the line. */
    @Override
    public synchronized void accept(String drawing) {
      // a drawing that was due when the bar was closed comes late
      if (open) {
        draw(drawing);
      }
    }

    /** Puts a line that stays in the drawing's place; the next drawing comes below it. */
    synchronized void line(String text) {
      if (drawn > 0) {
        draw("");
        terminal.print("\r");
      }
      terminal.println(text);
    }

    @Override
    public synchronized void close() {
      if (open) {
        terminal.println();
        open = false;
        drawn = 0;
      }
    }

    private void draw(String drawing) {
      terminal.print("\r" + drawing + " ".repeat(Math.max(0, drawn - drawing.length())));
      terminal.flush();
      drawn = drawing.length();
    }
  }
}
