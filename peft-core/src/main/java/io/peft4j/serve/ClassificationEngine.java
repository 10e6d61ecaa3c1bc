package io.peft4j.serve;

import io.peft4j.adapter.method.Adapter;
import io.peft4j.model.Model;
import io.peft4j.model.Uses;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Classifies texts: those that wait, up to a batch, in one pass, adapters that do not run together
 * with others in a pass each.
 */
final class ClassificationEngine extends Engine<Classification> {

  private static final Logger LOGGER = LoggerFactory.getLogger(ClassificationEngine.class);

  private final Model model;
  private final int most;
  private final Arena arena;
  private volatile boolean running;

  /** Requests of a pass; all of them end, whatever happens. */
  private final Map<AdapterVersion, List<Classification>> taken = new LinkedHashMap<>();

  ClassificationEngine(
      Model model,
      AdapterRegistry registry,
      AdapterShelf shelf,
      Meters meters,
      RouterOptions options) {
    super(registry, shelf, meters, options.queue());
    this.model = model;
    this.most = options.batch();
    this.arena = new Arena(model, options.batch());
    shelf.onUnload(arena::forget);
  }

  @Override
  boolean running() {
    return running;
  }

  private int count() {
    return taken.values().stream().mapToInt(List::size).sum();
  }

  @Override
  boolean work() {
    admit(
        new Taker<>() {
          @Override
          public boolean wantsMore() {
            return count() < most;
          }

          @Override
          public boolean take(Classification request, AdapterVersion version) {
            taken.computeIfAbsent(version, key -> new ArrayList<>()).add(request);
            request.begin();
            return true;
          }
        });
    int count = count();
    running = count > 0;
    meters.running(count);
    if (count == 0) {
      return false;
    }
    long start = System.nanoTime();
    List<AdapterVersion> together = new ArrayList<>();
    for (AdapterVersion version : taken.keySet()) {
      if (version.together()) {
        together.add(version);
      } else {
        run(List.of(version), true);
      }
    }
    if (!together.isEmpty()) {
      run(together, false);
    }
    end(count);
    meters.step.add((System.nanoTime() - start) / 1e9);
    return true;
  }

  private void end(int count) {
    taken.forEach((version, requests) -> requests.forEach(request -> shelf.release(version)));
    taken.clear();
    running = false;
    meters.running(0);
    done(count);
  }

  /** A request, and what is run for it. */
  private record Row(Classification request, AdapterVersion version, TokenSequence sequence) {}

  private void run(List<AdapterVersion> versions, boolean alone) {
    List<Row> rows = new ArrayList<>();
    try (Uses.Use use = model.uses().changeInTurn("serve")) {
      Adapter adapter = alone ? versions.get(0).adapter() : null;
      if (alone) {
        adapter.activate();
      }
      try {
        for (AdapterVersion version : versions) {
          for (Classification request : taken.get(version)) {
            add(request, version, rows);
          }
        }
        if (!rows.isEmpty()) {
          meters.batchRows.add(rows.size());
          meters.batchAdapters.add(versions.size());
          answer(rows, alone ? runAlone(rows) : runTogether(versions, rows));
        }
      } finally {
        if (alone) {
          adapter.deactivate();
        }
      }
    } catch (RuntimeException e) {
      LOGGER.error("a pass failed; the {} requests in it end", rows.size(), e);
      rows.forEach(row -> row.request.fail(e));
    }
  }

  private void add(Classification request, AdapterVersion version, List<Row> rows) {
    try {
      TokenSequence sequence =
          model.sequence(request.request().tokens(), request.request().types());
      rows.add(new Row(request, version, sequence));
      meters.promptTokens.add(sequence.length());
    } catch (IllegalArgumentException e) {
      request.fail(e);
    }
  }

  private float[][] runAlone(List<Row> rows) {
    try (TokenBatch batch = model.batch(rows.stream().map(Row::sequence).toList())) {
      return model.outputs(batch);
    }
  }

  private float[][] runTogether(List<AdapterVersion> versions, List<Row> rows) {
    Map<AdapterVersion, Integer> places = arena.places(versions);
    int[] groups = rows.stream().mapToInt(row -> places.get(row.version)).toArray();
    arena.attach(Arrays.stream(groups).distinct().toArray());
    try (TokenBatch batch = model.batch(rows.stream().map(Row::sequence).toList(), groups)) {
      return model.outputs(batch);
    } finally {
      arena.detach();
    }
  }

  private void answer(List<Row> rows, float[][] outputs) {
    for (int i = 0; i < outputs.length; i++) {
      AdapterVersion version = rows.get(i).version;
      int own = version.facts().outputs() == 0 ? arena.outputs() : version.facts().outputs();
      float[] scores = own == 0 ? outputs[i] : Arrays.copyOf(outputs[i], own);
      Classification request = rows.get(i).request;
      if (finite(scores)) {
        request.complete(
            new Classified(scores, version.facts().labels(), version.name(), version.number()));
      } else {
        request.fail(new ArithmeticException(version + " gives scores that are not numbers"));
      }
    }
  }

  private static boolean finite(float[] scores) {
    for (float score : scores) {
      if (!Float.isFinite(score)) {
        return false;
      }
    }
    return true;
  }

  @Override
  int cut(RuntimeException why) {
    int count = count();
    taken.forEach(
        (version, requests) -> {
          for (Classification request : requests) {
            if (why == null) {
              request.end(GenerationResult.Finish.CANCELLED);
            } else {
              request.fail(why);
            }
            shelf.release(version);
          }
        });
    taken.clear();
    running = false;
    meters.running(0);
    return count;
  }

  @Override
  void release() {
    arena.close();
  }
}
