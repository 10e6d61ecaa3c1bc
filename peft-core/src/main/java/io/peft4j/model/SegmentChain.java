package io.peft4j.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Ops;
import io.peft4j.torch.Precision;
import java.util.List;

/**
 * Runs segments one after the other, forward and backward. Each segment has a graph of its own, kept
 * from the forward pass or made anew in the backward pass, and nothing below the lowest trainable
 * segment is differentiated.
 */
final class SegmentChain {

  private final List<Segment> segments;
  private final Precision precision;

  SegmentChain(List<Segment> segments, Precision precision) {
    this.segments = List.copyOf(segments);
    this.precision = precision;
  }

  /** {@return the last segment's output as a flat array} */
  float[] infer(TokenBatch batch) {
    Pass pass = Pass.inference(batch, precision);
    try (NDManager manager = batch.manager().newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      NDArray h = null;
      for (int i = 0; i < segments.size(); i++) {
        NDArray next = run(i, h, pass, manager);
        if (h != null) {
          h.close();
        }
        h = next;
      }
      return Ops.toFloat32(h).toFloatArray();
    }
  }

  double forwardBackward(
      TokenBatch batch, Model.Loss loss, double scale, long dropoutKey, boolean recompute) {
    int lowest = lowestTrainable();
    Pass pass = Pass.training(batch, precision, dropoutKey);
    try (NDManager manager = batch.manager().newSubManager()) {
      NDArray[] inputs = new NDArray[segments.size()];
      NDArray[] outputs = new NDArray[segments.size()];
      NDArray h = null;
      for (int i = 0; i < segments.size(); i++) {
        boolean keepGraph = i >= lowest && (!recompute || i == segments.size() - 1);
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
        outputs[i] = keepGraph ? h : null;
        if (i > 0 && i < lowest) {
          inputs[i].close();
        }
      }

      NDArray top = Autograd.leaf(h);
      double value;
      try (Autograd.Mode mode = Autograd.record()) {
        NDArray scalar = loss.of(top);
        value = scalar.toType(DataType.FLOAT64, false).getDouble();
        Autograd.backward(scalar, scalar.onesLike().mul(scale));
      }
      NDArray gradient = Autograd.gradient(top);

      for (int i = segments.size() - 1; i >= lowest; i--) {
        NDArray y = outputs[i];
        if (y == null) {
          try (Autograd.Mode mode = Autograd.record()) {
            y = run(i, inputs[i], pass, manager);
          }
        }
        Autograd.backward(y, gradient);
        y.close();
        gradient.close();
        if (i > lowest) {
          gradient = Autograd.gradient(inputs[i]);
          inputs[i].close();
        }
      }
      return value;
    }
  }

  private int lowestTrainable() {
    for (int i = 0; i < segments.size(); i++) {
      if (segments.get(i).trainable()) {
        return i;
      }
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
