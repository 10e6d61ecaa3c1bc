package io.peft4j.quant.projection;

import ai.djl.ndarray.NDManager;
import io.peft4j.quant.FloatType;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The dense weights of a model on packed ones: those of one layer. Each projection of a layer has a
 * {@link Room}, shared by its like in the other layers, since a layer's gradient needs all its
 * weights at once and no other layer's. Where nothing is recorded, one room serves all.
 */
final class Workspace {

  private static final Pattern LAYER = Pattern.compile("\\.\\d+\\.");

  private final NDManager manager;
  private final FloatType type;
  private final boolean onDevice;
  private final Map<String, Room> rooms = new HashMap<>();
  private final Room shared;

  /**
   * @param onDevice whether kernels on a device decode
   */
  Workspace(NDManager manager, FloatType type, boolean onDevice) {
    this.manager = manager;
    this.type = type;
    this.onDevice = onDevice;
    this.shared = new Room(manager, type, onDevice);
  }

  FloatType type() {
    return type;
  }

  /** {@return the room of a module's weight in recorded passes} */
  Room own(String module, long elements) {
    Matcher layer = LAYER.matcher(module);
    Room room =
        rooms.computeIfAbsent(layer.replaceFirst(".*."), key -> new Room(manager, type, onDevice));
    room.reserve(elements);
    shared.reserve(elements);
    return room;
  }

  /** {@return the room for passes that record nothing} */
  Room shared() {
    return shared;
  }
}
