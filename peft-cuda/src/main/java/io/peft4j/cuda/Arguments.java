package io.peft4j.cuda;

import java.util.ArrayList;
import java.util.List;
import jcuda.NativePointerObject;
import jcuda.Pointer;

/** A kernel's arguments in order. */
final class Arguments {
  private final List<NativePointerObject> values = new ArrayList<>();
  private final List<Integer> sizes = new ArrayList<>();

  /** An address on the device; null is the null pointer. */
  Arguments pointer(DeviceSpan span) {
    return add(Pointer.to(new long[] {span == null ? 0 : span.address()}), Long.BYTES);
  }

  Arguments number(int value) {
    return add(Pointer.to(new int[] {value}), Integer.BYTES);
  }

  Arguments number(long value) {
    return add(Pointer.to(new long[] {value}), Long.BYTES);
  }

  Arguments number(float value) {
    return add(Pointer.to(new float[] {value}), Float.BYTES);
  }

  /** A struct by value. */
  Arguments struct(byte[] bytes) {
    return add(Pointer.to(bytes), bytes.length);
  }

  private Arguments add(Pointer pointer, int bytes) {
    values.add(pointer);
    sizes.add(bytes);
    return this;
  }

  List<Integer> sizes() {
    return sizes;
  }

  Pointer pointer() {
    return Pointer.to(values.toArray(NativePointerObject[]::new));
  }
}
