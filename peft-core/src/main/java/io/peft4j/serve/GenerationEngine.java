package io.peft4j.serve;

import io.peft4j.model.DecodingSlots;
import io.peft4j.model.Model;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Continues prompts. Each step computes a token of every sequence that decodes, then a bounded
 * number of tokens of new prompts; between steps sequences come and go.
 */
final class GenerationEngine extends Engine<Generation> {

  private static final Logger LOGGER = LoggerFactory.getLogger(GenerationEngine.class);

  private final Model model;
  private final int most;
  private final int prefillChunk;
  private final CacheBudget budget;
  private final Map<AdapterVersion, Lane> lanes = new HashMap<>();

  /** Sequences that have begun and gave way to others, to be computed again. */
  private final Deque<Generation> preempted = new ArrayDeque<>();

  /** All sequences in lanes, in the order in which they joined. */
  private final List<Generation> order = new ArrayList<>();

  /** Whether nobody has left since one had to give way. */
  private boolean crowded;

  private volatile boolean running;

  GenerationEngine(
      Model model,
      AdapterRegistry registry,
      AdapterShelf shelf,
      Meters meters,
      RouterOptions options) {
    super(registry, shelf, meters, options.queue());
    this.model = model;
    this.most = options.batch();
    this.prefillChunk = options.prefillChunk();
    this.budget =
        new CacheBudget(options.cacheMemory(), DecodingSlots.bytesPerToken(model), options.batch());
  }

  @Override
  boolean running() {
    return running;
  }

  @Override
  boolean work() {
    dropFinished();
    resume();
    admit(
        new Taker<>() {
          @Override
          public boolean wantsMore() {
            return preempted.isEmpty() && order.size() < most;
          }

          @Override
          public boolean take(Generation sequence, AdapterVersion version) {
            return begin(sequence, version);
          }
        });
    running = !order.isEmpty() || !preempted.isEmpty();
    meters.running(order.size());
    if (order.isEmpty()) {
      closeEmpty();
      return false;
    }
    long start = System.nanoTime();
    for (Lane lane : List.copyOf(lanes.values())) {
      decode(lane);
    }
    prefill();
    closeEmpty();
    meters.step.add((System.nanoTime() - start) / 1e9);
    meters.running(order.size());
    running = !order.isEmpty() || !preempted.isEmpty();
    return running;
  }

  private void dropFinished() {
    long now = System.nanoTime();
    for (Lane lane : lanes.values()) {
      for (int row = lane.rows().size() - 1; row >= 0; row--) {
        GenerationResult.Finish finish = lane.rows().get(row).ended(now);
        if (finish != null) {
          lane.rows().get(row).end(finish);
          leave(lane, row);
        }
      }
    }
    preempted.removeIf(
        sequence -> {
          GenerationResult.Finish finish = sequence.ended(now);
          if (finish != null) {
            sequence.end(finish);
            shelf.release(sequence.version());
          }
          return finish != null;
        });
  }

  private void leave(Lane lane, int row) {
    Generation sequence = lane.rows().get(row);
    lane.leave(row);
    order.remove(sequence);
    shelf.release(sequence.version());
    crowded = false;
    done(1);
  }

  /** Lets sequences that gave way join again, the one that began first before the others. */
  private void resume() {
    while (!preempted.isEmpty() && order.size() < most && (!crowded || order.isEmpty())) {
      Generation sequence = preempted.peekFirst();
      Lane lane = lane(sequence.version());
      if (!budget.reserve(lane, lanes.values(), 1, sequence.length())) {
        return;
      }
      preempted.removeFirst();
      meters.reusedTokens.add(lane.join(sequence));
      order.add(sequence);
    }
  }

  private boolean begin(Generation sequence, AdapterVersion version) {
    int[] context = new int[1];
    int[] before = Lane.before(model, version, sequence.request().tokens(), context);
    Lane lane = lane(version);
    if (!budget.reserve(lane, lanes.values(), 1, before.length)) {
      if (order.isEmpty()) {
        throw new IllegalArgumentException(
            budget.tooSmall(before.length)); // nobody will ever make room
      }
      return false;
    }
    sequence.begin(version, before, context[0]);
    meters.reusedTokens.add(lane.join(sequence));
    order.add(sequence);
    return true;
  }

  private Lane lane(AdapterVersion version) {
    AdapterVersion owner = version.together() ? null : version;
    return lanes.computeIfAbsent(owner, key -> new Lane(model, key));
  }

  private void decode(Lane lane) {
    while (lane.decoding() > 0) {
      if (makeRoom(lane, 0, lane.decoding(), 1)) {
        int[] counts = new int[lane.decoding()];
        Arrays.fill(counts, 1);
        run(lane, 0, counts);
        return;
      }
    }
  }

  /** Computes a part of the prompts of all lanes. */
  private void prefill() {
    int prompts = lanes.values().stream().mapToInt(Lane::prefilling).sum();
    for (Lane lane : List.copyOf(lanes.values())) {
      if (lane.prefilling() == 0) {
        continue;
      }
      int share = prefillChunk / prompts;
      int longest = 0;
      for (int row = lane.decoding(); row < lane.rows().size(); row++) {
        longest = Math.max(longest, lane.chunk(row, share));
      }
      if (!makeRoom(lane, lane.decoding(), lane.prefilling(), longest)) {
        continue;
      }
      int[] counts = new int[lane.prefilling()];
      for (int i = 0; i < counts.length; i++) {
        counts[i] = lane.chunk(lane.decoding() + i, share);
      }
      meters.promptTokens.add(Arrays.stream(counts).sum());
      run(lane, lane.decoding(), counts);
    }
  }

  /**
   * Sees to it that some rows of a lane can take more tokens; the sequences that joined last give
   * way if there is no other room.
   *
   * @return whether the lane still has as many rows in that place
   */
  private boolean makeRoom(Lane lane, int first, int count, int more) {
    int rows = lane.rows().size();
    int decoding = lane.decoding();
    while (true) {
      if (lane.rows().size() != rows || lane.decoding() != decoding) {
        return false;
      }
      int longest = 0;
      for (int row = first; row < first + count; row++) {
        longest = Math.max(longest, lane.slots().length(row) + more);
      }
      if (budget.reserve(lane, lanes.values(), 0, longest)) {
        return true;
      }
      if (order.size() == 1) {
        Generation only = order.get(0);
        only.fail(new IllegalArgumentException(budget.tooSmall(longest)));
        leave(lane, 0);
        return false;
      }
      preempt(order.get(order.size() - 1));
    }
  }

  private void preempt(Generation sequence) {
    for (Lane lane : lanes.values()) {
      int row = lane.rows().indexOf(sequence);
      if (row >= 0) {
        lane.leave(row);
        lane.shrink();
      }
    }
    order.remove(sequence);
    preempted.addFirst(sequence);
    crowded = true;
    meters.preemptions.increment();
  }

  private void run(Lane lane, int first, int[] counts) {
    float[][] logits;
    meters.batchRows.add(counts.length);
    meters.batchAdapters.add(lane.adapters(first, counts.length));
    try {
      logits = lane.run(first, counts);
    } catch (RuntimeException e) {
      failAll(lane, e);
      return;
    }
    // from the last to the first: who leaves makes others move down
    for (int i = counts.length - 1; i >= 0; i--) {
      int row = first + i;
      Generation sequence = lane.rows().get(row);
      if (sequence.pending(lane.slots().length(row)) > 0) {
        continue; // a part of a prompt
      }
      boolean ended;
      try {
        ended = sequence.accept(logits[i]);
      } catch (ArithmeticException | IllegalArgumentException e) {
        LOGGER.warn("a request fails: {}", e.getMessage());
        sequence.fail(e);
        lane.slots().clear(row);
        ended = true;
      }
      if (ended) {
        leave(lane, row);
      }
    }
    lane.settle();
  }

  private void failAll(Lane lane, RuntimeException why) {
    LOGGER.error("a pass failed; the {} requests in it end", lane.rows().size(), why);
    for (int row = lane.rows().size() - 1; row >= 0; row--) {
      lane.rows().get(row).fail(why);
      leave(lane, row);
    }
  }

  private void closeEmpty() {
    lanes
        .values()
        .removeIf(
            lane -> {
              boolean empty = lane.rows().isEmpty();
              if (empty) {
                lane.close();
              }
              return empty;
            });
    meters.cache(budget.bytes(lanes.values()));
  }

  @Override
  int cut(RuntimeException why) {
    int count = order.size() + preempted.size();
    for (Lane lane : lanes.values()) {
      lane.rows().forEach(sequence -> cut(sequence, why));
      lane.close();
    }
    lanes.clear();
    order.clear();
    preempted.forEach(sequence -> cut(sequence, why));
    preempted.clear();
    running = false;
    meters.running(0);
    meters.cache(0);
    return count;
  }

  private void cut(Generation sequence, RuntimeException why) {
    if (why == null) {
      sequence.end(GenerationResult.Finish.CANCELLED);
    } else {
      sequence.fail(why);
    }
    shelf.release(sequence.version());
  }

  /** Lanes have been closed. */
  @Override
  void release() {}
}
