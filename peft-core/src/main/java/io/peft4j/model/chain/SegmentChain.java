package io.peft4j.model.chain;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * Runs segments one after the other, forward and backward. Each segment has a graph of its own,
 * kept from the forward pass or made anew in the backward pass, and nothing below the lowest
 * trainable segment is differentiated.
 */
public final class SegmentChain {

  /** What is on top of the segments in training: the loss, with a head of its own or without. */
  public interface Top {
    /**
     * Computes the loss and its gradient times {@code scale}; gradients of the head's own tensors
     * are added to them.
     *
     * @param states the last segment's output, on a manager that lives until the end of the pass
     */
    Differentiated differentiate(NDArray states, Pass pass, double scale);

    /** {@return whether a head of its own has anything to train} */
    default boolean trainable() {
      return false;
    }

    /** {@return bytes that it takes beside the states and their gradient} */
    default long bytes() {
      return 0;
    }

    /** {@return the modules of a head of its own} */
    default List<Module> modules() {
      return List.of();
    }
  }

  /**
   * @param loss not scaled
   * @param gradient of the states
   */
  public record Differentiated(double loss, NDArray gradient) {}

  private final List<Segment> segments;
  private final Precision precision;
  private final boolean streaming;
  private final int hidden;

  /**
   * @param hidden elements of a token's state between segments
   * @param streaming whether a segment's weights are given up as soon as it has run, and no graph
   *     kept that would hold them
   */
  public SegmentChain(List<Segment> segments, Precision precision, boolean streaming, int hidden) {
    this.hidden = hidden;
    this.segments = List.copyOf(segments);
    this.precision = precision;
    this.streaming = streaming;
  }

  /** {@return how many segments can be run again in a backward pass} */
  public int recomputable(Top top) {
    return Math.max(0, segments.size() - 1 - lowestTrainable(top));
  }

  /**
   * {@return what {@code use} makes of the last segment's output, which is freed after it}
   *
   * @param top the modules that {@code use} runs
   */
  public <T> T infer(Pass pass, List<Module> top, Function<NDArray, T> use) {
    try (NDManager manager = pass.batch().manager().newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      NDArray h = null;
      for (int i = 0; i < segments.size(); i++) {
        NDArray next = run(i, h, pass, manager);
        release(segments.get(i).modules());
        if (h != null) {
          h.close();
        }
        h = next;
      }
      pass.enter(segments.size(), manager);
      T result = use.apply(h);
      release(top);
      return result;
    }
  }

  /**
   * @param recomputed how many segments, from the lowest trainable one up, give up their graphs and
   *     are run again. The lowest ones: when their turn comes, all others' graphs are gone
   */
  public double forwardBackward(
      TokenBatch batch, Top top, double scale, long dropoutKey, int recomputed) {
    int lowest = lowestTrainable(top);
    int kept = streaming ? segments.size() : lowest + Math.min(recomputed, recomputable(top));
    Pass pass = Pass.training(batch, precision, dropoutKey);
    try (NDManager manager = batch.manager().newSubManager()) {
      NDArray[] inputs = new NDArray[segments.size()];
      NDArray[] outputs = new NDArray[segments.size()];
      NDArray h = null;
      for (int i = 0; i < segments.size(); i++) {
        boolean keepGraph = i >= kept;
        if (i <= lowest) {
          inputs[i] = h;
        } else {
          inputs[i] = Autograd.leaf(h);
          if (outputs[i - 1] == null) {
            h.close();
          }
        }
        try (Autograd.Mode mode = keepGraph ? Autograd.record() : Autograd.pause()) {
          h = run(i, inputs[i], pass, manager);
        }
        release(segments.get(i).modules());
        outputs[i] = keepGraph ? h : null;
        if (i > 0 && i < lowest) {
          inputs[i].close();
        }
      }

      pass.enter(segments.size(), manager);
      Differentiated result = top.differentiate(h, pass, scale);
      release(top.modules());
      NDArray gradient = result.gradient();
      for (int i = segments.size() - 1; i >= lowest; i--) {
        NDArray y = outputs[i];
        if (y == null) {
          try (Autograd.Mode mode = Autograd.record()) {
            y = run(i, inputs[i], pass, manager);
          }
        } else {
          segments.get(i).beforeBackward();
        }
        Autograd.backward(y, gradient);
        y.close();
        gradient.close();
        release(segments.get(i).modules());
        if (i > lowest) {
          gradient = Autograd.gradient(inputs[i]);
          inputs[i].close();
        }
      }
      return result.loss();
    }
  }

  /** {@return what a step on {@code batch} is expected to hold} */
  public MemoryEstimate estimate(
      TokenBatch batch, Top top, long process, long weights, long optimizer) {
    int width = precision.bytes();
    List<Long> graphs = new ArrayList<>();
    long largest = 0;
    for (Segment segment :
        segments.subList(
            Math.min(lowestTrainable(top), segments.size() - 1), segments.size() - 1)) {
      Kept kept = segment.kept(batch);
      long graph = kept.bytes(batch.computedTokens(), width);
      graphs.add(graph);
      // About as much as a layer keeps it makes besides.
      largest = Math.max(largest, graph + kept.madeBytes(batch.computedTokens(), width));
    }
    long states = (long) width * batch.computedTokens() * hidden;
    return new MemoryEstimate(
        process,
        streaming ? largestSegment(top) : weights,
        optimizer,
        graphs.size() * states,
        graphs,
        largest,
        2 * states + top.bytes());
  }

  private long largestSegment(Top top) {
    long largest = bytes(top.modules());
    for (Segment segment : segments) {
      largest = Math.max(largest, bytes(segment.modules()));
    }
    return largest;
  }

  private long bytes(List<Module> modules) {
    int width = precision.bytes();
    return modules.stream()
        .flatMap(module -> module.parameters().stream())
        .mapToLong(parameter -> width * parameter.shape().size())
        .sum();
  }

  private void release(List<Module> modules) {
    if (streaming) {
      modules.forEach(module -> module.parameters().forEach(Parameter::release));
    }
  }

  private int lowestTrainable(Top top) {
    for (int i = 0; i < segments.size(); i++) {
      if (segments.get(i).trainable()) {
        return i;
      }
    }
    if (top.trainable()) {
      return segments.size();
    }
    throw new IllegalStateException("nothing to train: no adapter is active on the model");
  }

  /** Runs a segment; its temporaries are freed, but for what a graph holds. */
  private NDArray run(int index, NDArray input, Pass pass, NDManager owner) {
    try (NDManager scope = owner.newSubManager()) {
      pass.enter(index, scope);
      if (input != null) {
        input.tempAttach(scope);
      }
      NDArray output = segments.get(index).forward(input, pass);
      output.attach(owner);
      return output;
    }
  }
}
