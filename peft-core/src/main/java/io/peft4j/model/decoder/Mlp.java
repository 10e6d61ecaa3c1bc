package io.peft4j.model.decoder;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.KeptElements;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Ops;
import java.util.ArrayList;
import java.util.List;

/** The feed-forward half of a decoder layer, gated (Shazeer, 2020) or not. */
final class Mlp {

  private final List<Linear> up;
  private final Linear down;
  private final DecoderSpec.FeedForward spec;

  /**
   * @param up gate and up, or both joined, or up alone
   */
  Mlp(List<Linear> up, Linear down, DecoderSpec.FeedForward spec) {
    this.up = up;
    this.down = down;
    this.spec = spec;
  }

  NDArray forward(NDArray x, Pass pass) {
    NDArray first = up.get(0).forward(x, pass);
    if (!spec.gated()) {
      return down.forward(spec.activation().apply(first), pass);
    }
    NDList halves =
        spec.joined() ? Ops.halves(first) : new NDList(first, up.get(1).forward(x, pass));
    return down.forward(spec.activation().apply(halves.get(0)).mul(halves.get(1)), pass);
  }

  /** {@return what its graph keeps} */
  Kept kept() {
    long width = down.projection().in();
    // The activation's input; if gated, both factors of the product.
    long inner = spec.gated() ? 3 * width : width;
    return Kept.perToken(inner)
        .plus(KeptElements.ofInput(up))
        .plus(KeptElements.ofInput(List.of(down)));
  }

  List<Module> modules() {
    List<Module> modules = new ArrayList<>(up);
    modules.add(down);
    return modules;
  }
}
