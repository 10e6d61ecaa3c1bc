package io.peft4j.quant.projection;

import ai.djl.ndarray.NDManager;
import io.peft4j.quant.FloatType;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The dense weights of a model on packed ones: those of one layer. Each projection of a layer has a
 * {@link Room}, shared by its like in the other layers, since a layer's gradient needs all its
 * weights at once and no other layer's. Where nothing is recorded, one room serves all.
 *
 * <p>Each thread has rooms of its own, so passes may overlap; a new thread takes over those of one
 * that has ended.
 */
final class Workspace {

  private static final Pattern LAYER = Pattern.compile("\\.\\d+\\.");
  private static final String SHARED = "";

  private final Supplier<Room> newRoom;
  private final FloatType type;
  private final Map<String, Long> elements = new HashMap<>();
  private final Map<Thread, Map<String, Room>> rooms = new HashMap<>();

  /**
   * @param onDevice whether kernels on a device decode
   */
  Workspace(NDManager manager, FloatType type, boolean onDevice) {
    this.type = type;
    this.newRoom = () -> new Room(manager, type, onDevice);
  }

  FloatType type() {
    return type;
  }

  /** {@return the kind of a module's weight of so many elements, for {@link #own}} */
  synchronized String reserve(String module, long count) {
    Matcher layer = LAYER.matcher(module);
    String kind = layer.replaceFirst(".*.");
    elements.merge(kind, count, Math::max);
    elements.merge(SHARED, count, Math::max);
    return kind;
  }

  /** {@return this thread's room for weights of that kind in recorded passes} */
  Room own(String kind) {
    return room(kind);
  }

  /** {@return this thread's room for passes that record nothing} */
  Room shared() {
    return room(SHARED);
  }

  private synchronized Room room(String kind) {
    Thread thread = Thread.currentThread();
    Map<String, Room> mine = rooms.get(thread);
    if (mine == null) {
      mine = ofEndedThread();
      rooms.put(thread, mine);
    }
    Room room = mine.computeIfAbsent(kind, key -> newRoom.get());
    room.reserve(elements.get(kind));
    return room;
  }

  private Map<String, Room> ofEndedThread() {
    for (Thread thread : rooms.keySet()) {
      if (!thread.isAlive()) {
        return rooms.remove(thread);
      }
    }
    return new HashMap<>();
  }
}
