package io.peft4j.examples.multitask;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.examples.chart.ComparisonChart;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The table of it all, as {@code report.json}, {@code report.md} and {@code report.png}.
 *
 * @param seconds that the whole run took
 * @param load of the machine at the end, processes waiting or running; negative if unknown
 */
public record Report(List<BaseResult> bases, double seconds, double load) {

  /** Writes the three files. */
  public void write(Path folder) throws IOException {
    AtomicFiles.writeString(
        folder.resolve("report.json"),
        JsonFiles.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(toJson()) + "\n");
    AtomicFiles.writeString(folder.resolve("report.md"), toMarkdown());
    chart().write(folder.resolve("report.png"));
  }

  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("seconds", seconds)
        .put("load_average", load)
        .put("cores", Runtime.getRuntime().availableProcessors());
    for (BaseResult base : bases) {
      ObjectNode node = json.putObject(base.base());
      node.put("unchanged", base.unchanged())
          .put("sha256", base.file())
          .put("sha256_after", base.fileAfter())
          .put("parameters_sha256", base.before())
          .put("parameters_sha256_after", base.after());
      node.putObject("memory_bytes")
          .put("base", base.memory())
          .put("base_and_adapters", base.shared())
          .put("model_each", base.separate());
      node.putObject("disk_bytes")
          .put("base", base.disk())
          .put("base_and_adapters", base.sharedDisk())
          .put("model_each", base.separateDisk());
      ObjectNode tasks = node.putObject("tasks");
      base.tasks().forEach(task -> tasks.set(task.task(), json(task)));
      base.latencies()
          .forEach(
              each ->
                  node.withArray("latency")
                      .addObject()
                      .put("served", each.served())
                      .put("clients", each.clients())
                      .put("requests", each.requests())
                      .put("p50_ms", each.p50())
                      .put("p95_ms", each.p95())
                      .put("p99_ms", each.p99())
                      .put("requests_per_second", each.perSecond()));
    }
    return json;
  }

  private static ObjectNode json(TaskResult task) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("train_examples", task.trained())
        .put("eval_examples", task.heldOut())
        .put("metric", task.metric())
        .put("before", task.before())
        .put("adapter", task.adapter())
        .put("full", task.full())
        .put("answers_compared", task.answers())
        .put("answers_same", task.same())
        .put("adapter_disk_bytes", task.adapterDisk())
        .put("model_disk_bytes", task.modelDisk())
        .put("adapter_memory_bytes", task.adapterMemory())
        .put("model_memory_bytes", task.modelMemory());
  }

  /** {@return the tables for people} */
  public String toMarkdown() {
    StringBuilder text = new StringBuilder("# One base, many tasks\n");
    for (BaseResult base : bases) {
      line(text, "\n## %s", base.base());
      line(
          text,
          "| task | examples | held out | metric | untrained | adapter | full fine-tuning"
              + " | adapter, memory | model, memory | adapter, disk | model, disk | served as alone |");
      line(text, "|---|---|---|---|---|---|---|---|---|---|---|---|");
      for (TaskResult task : base.tasks()) {
        line(
            text,
            "| %s | %d | %d | %s | %.3f | %.3f | %.3f | %s | %s | %s | %s | %d of %d |",
            task.task(),
            task.trained(),
            task.heldOut(),
            task.metric(),
            task.before(),
            task.adapter(),
            task.full(),
            megabytes(task.adapterMemory()),
            megabytes(task.modelMemory()),
            megabytes(task.adapterDisk()),
            megabytes(task.modelDisk()),
            task.same(),
            task.answers());
      }
      line(
          text,
          "\nMemory: base once and an adapter each %s, a model each %s. Disk: %s, %s.",
          megabytes(base.shared()),
          megabytes(base.separate()),
          megabytes(base.sharedDisk()),
          megabytes(base.separateDisk()));
      line(
          text,
          "The base is %s: SHA-256 of its files %s…, of its parameters in memory %s….\n",
          base.unchanged() ? "what it was" : "CHANGED",
          base.fileAfter().substring(0, 16),
          base.after().substring(0, 16));
      line(text, "| served | clients | requests | p50 ms | p95 ms | p99 ms | requests/s |");
      line(text, "|---|---|---|---|---|---|---|");
      for (Latency each : base.latencies()) {
        line(
            text,
            "| %s | %d | %d | %.1f | %.1f | %.1f | %.1f |",
            each.served(),
            each.clients(),
            each.requests(),
            each.p50(),
            each.p95(),
            each.p99(),
            each.perSecond());
      }
    }
    line(
        text,
        "\n%.0f seconds in all, %d processors, load average %.1f at the end.",
        seconds,
        Runtime.getRuntime().availableProcessors(),
        load);
    return text.toString();
  }

  private static void line(StringBuilder text, String format, Object... values) {
    text.append(String.format(Locale.ROOT, format, values)).append('\n');
  }

  private static String megabytes(long bytes) {
    return String.format(Locale.ROOT, "%.2f MB", bytes / 1e6);
  }

  private ComparisonChart chart() {
    ComparisonChart chart = new ComparisonChart();
    for (BaseResult base : bases) {
      Map<String, List<Double>> scores = new LinkedHashMap<>();
      List<TaskResult> tasks = base.tasks();
      scores.put("untrained", tasks.stream().map(TaskResult::before).toList());
      scores.put("adapter", tasks.stream().map(TaskResult::adapter).toList());
      scores.put("full fine-tuning", tasks.stream().map(TaskResult::full).toList());
      chart.panel(
          base.base() + ": " + tasks.get(0).metric() + " on held-out examples",
          tasks.get(0).metric(),
          tasks.stream().map(TaskResult::task).toList(),
          scores);
    }
    Map<String, List<Double>> memory = new LinkedHashMap<>();
    memory.put("base and adapters", bases.stream().map(base -> base.shared() / 1e6).toList());
    memory.put("a model each", bases.stream().map(base -> base.separate() / 1e6).toList());
    chart.panel(
        "Memory of all tasks",
        "MB",
        bases.stream().map(base -> base.base() + ", " + base.tasks().size() + " tasks").toList(),
        memory);
    for (BaseResult base : bases) {
      List<Latency> all = base.latencies();
      Map<String, List<Double>> series = new LinkedHashMap<>();
      List<String> names = List.of("p50", "p95", "p99");
      for (int i = 0; i < names.size(); i++) {
        int quantile = i;
        series.put(names.get(i), all.stream().map(each -> each.quantiles().get(quantile)).toList());
      }
      chart.panel(
          base.base() + ": latency by number of clients",
          "ms",
          all.stream().map(each -> each.clients() + ": " + each.served()).toList(),
          series);
    }
    return chart;
  }
}
