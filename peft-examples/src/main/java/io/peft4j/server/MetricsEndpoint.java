package io.peft4j.server;

import io.peft4j.serve.AdapterInfo;
import io.peft4j.serve.Histogram;
import io.peft4j.serve.RouterMetrics;

/** {@code GET /metrics}, in Prometheus' text format. */
final class MetricsEndpoint {

  private final ServedModel served;
  private final Lifecycle lifecycle;
  private final HttpMetrics http;

  MetricsEndpoint(ServedModel served, Lifecycle lifecycle, HttpMetrics http) {
    this.served = served;
    this.lifecycle = lifecycle;
    this.http = http;
  }

  String text() {
    PrometheusText text = new PrometheusText();
    RouterMetrics router = served.router().metrics();
    counters(text, router.counters());
    gauges(text, router.gauges());
    histogram(text, "latency_seconds", "From request to end.", router.latency());
    histogram(
        text, "time_to_first_token_seconds", "From request to first token.", router.firstToken());
    histogram(text, "queue_seconds", "From request to beginning.", router.queueWait());
    histogram(text, "step_seconds", "Steps on the model's thread.", router.step());
    histogram(text, "batch_rows", "Sequences that ran together.", router.batchRows());
    histogram(text, "batch_adapters", "Adapters that ran together.", router.batchAdapters());
    adapters(text);
    memory(text);
    text.gauge("peft_http_requests_working", "Requests not yet answered.", lifecycle.working());
    http.write(text);
    return text.toString();
  }

  private static void counters(PrometheusText text, RouterMetrics.Counters counters) {
    text.metric("peft_sequences_total", "counter", "Sequences and texts, by what became of them.");
    sequences(text, "completed", counters.completed());
    sequences(text, "cancelled", counters.cancelled());
    sequences(text, "expired", counters.expired());
    sequences(text, "failed", counters.failed());
    sequences(text, "rejected", counters.rejected());
    text.counter("peft_prompt_tokens_total", "Prompt tokens computed.", counters.promptTokens());
    text.counter("peft_reused_tokens_total", "Prompt tokens reused.", counters.reusedTokens());
    text.counter("peft_generated_tokens_total", "Tokens generated.", counters.generatedTokens());
    text.counter("peft_adapter_hits_total", "Adapters found in memory.", counters.hits());
    text.counter("peft_adapter_misses_total", "Adapters that were not.", counters.misses());
    text.counter("peft_adapter_evictions_total", "Adapters taken out.", counters.evictions());
    text.counter("peft_adapter_failures_total", "Adapters not loaded.", counters.loadFailures());
    text.counter("peft_preemptions_total", "Sequences put back.", counters.preemptions());
  }

  private static void sequences(PrometheusText text, String outcome, long count) {
    text.sample("peft_sequences_total", count, "outcome", outcome);
  }

  private static void gauges(PrometheusText text, RouterMetrics.Gauges gauges) {
    text.gauge("peft_sequences_running", "Sequences being computed.", gauges.running());
    text.gauge("peft_sequences_queued", "Sequences that wait.", gauges.queued());
    text.gauge("peft_cache_bytes", "Keys and values in memory.", gauges.cacheBytes());
    text.gauge("peft_cache_budget_bytes", "The most they may take.", gauges.cacheBudget());
    text.gauge("peft_adapter_bytes", "Adapters in memory.", gauges.adapterBytes());
    text.gauge("peft_adapter_budget_bytes", "The most they may take.", gauges.adapterBudget());
    text.gauge("peft_adapters_registered", "Adapters registered.", gauges.registered());
    text.gauge("peft_adapters_loaded", "Adapters in memory.", gauges.loaded());
  }

  private static void histogram(PrometheusText text, String name, String help, Histogram values) {
    text.histogram("peft_" + name, help, values.bounds(), values.counts(), values.sum());
  }

  private void adapters(PrometheusText text) {
    text.metric("peft_adapter_requests_total", "counter", "Requests by adapter.");
    for (AdapterInfo adapter : served.adapters()) {
      text.sample("peft_adapter_requests_total", adapter.requests(), "adapter", adapter.name());
    }
  }

  private static void memory(PrometheusText text) {
    Runtime runtime = Runtime.getRuntime();
    text.gauge("peft_heap_bytes", "Of Java alone.", runtime.totalMemory() - runtime.freeMemory());
  }
}
