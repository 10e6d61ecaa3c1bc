package io.peft4j.serve;

/**
 * What a router has done and holds at some moment. Counters and histograms are since it was made.
 *
 * @param counters what has happened
 * @param gauges what is
 * @param latency seconds from request to end, of those that ended well
 * @param firstToken seconds from request to first token
 * @param queueWait seconds from request to beginning
 * @param step seconds that a step took on the model's thread
 * @param batchRows rows of a pass
 * @param batchAdapters adapters, the bare base counted as one, in a pass
 */
public record RouterMetrics(
    Counters counters,
    Gauges gauges,
    Histogram latency,
    Histogram firstToken,
    Histogram queueWait,
    Histogram step,
    Histogram batchRows,
    Histogram batchAdapters) {

  /**
   * What has happened.
   *
   * @param requests taken
   * @param completed ended by themselves
   * @param cancelled ended by their handle
   * @param expired ended by their deadline
   * @param failed ended exceptionally, or because their listener was too slow
   * @param rejected not taken: the queue was full, or the router closed
   * @param promptTokens computed
   * @param generatedTokens told
   * @param reusedTokens of prompts, found computed already
   * @param hits adapters asked for that were in memory
   * @param misses that were not
   * @param evictions taken out of memory for others
   * @param loadFailures that could not be loaded
   * @param preemptions sequences put back for want of cache memory, to be computed again
   */
  public record Counters(
      long requests,
      long completed,
      long cancelled,
      long expired,
      long failed,
      long rejected,
      long promptTokens,
      long generatedTokens,
      long reusedTokens,
      long hits,
      long misses,
      long evictions,
      long loadFailures,
      long preemptions) {}

  /**
   * What is.
   *
   * @param queued requests waiting
   * @param running requests in the batch
   * @param cacheBytes keys and values take
   * @param cacheBudget the most they may
   * @param adapterBytes loaded adapters take
   * @param adapterBudget the most they may
   * @param registered adapters
   * @param loaded adapters
   */
  public record Gauges(
      int queued,
      int running,
      long cacheBytes,
      long cacheBudget,
      long adapterBytes,
      long adapterBudget,
      int registered,
      int loaded) {}
}
