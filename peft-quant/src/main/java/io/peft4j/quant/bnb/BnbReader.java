package io.peft4j.quant.bnb;

import io.peft4j.quant.BlockScales;
import io.peft4j.quant.Codebook;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.Int8Tensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationException;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/** Reads one quantized weight and names file, tensor and part in what it throws. */
final class BnbReader {
  private static final byte[] ROW_MAJOR = {0};

  private final Checkpoint checkpoint;
  private final String weight;

  BnbReader(Checkpoint checkpoint, String weight) {
    this.checkpoint = checkpoint;
    this.weight = weight;
  }

  FourBitTensor readFourBit() {
    String stateName = stateName();
    boolean nested = isNested();
    QuantState state =
        checking(stateName, () -> QuantState.parse(bytes(stateName, DType.U8), nested));
    if (!stateName.equals(weight + BnbFormat.QUANT_STATE + state.type().id())) {
      throw wrong(stateName, "expected quant_type as in the name, found " + state.type().id());
    }
    BlockScales scales = nested ? nestedScales(state.nested()) : plainScales();
    FourBitTensor tensor =
        checking(
            weight,
            () ->
                new FourBitTensor(
                    state.type(),
                    state.blockSize(),
                    state.sourceType(),
                    state.shape(),
                    buffer(weight),
                    scales));
    float[] levels = floats(weight + BnbFormat.QUANT_MAP);
    if (!Arrays.equals(tensor.type().levels().toArray(), levels)) {
      throw wrong(
          weight + BnbFormat.QUANT_MAP,
          String.format(
              Locale.ROOT,
              "expected the levels of %s, found %s",
              state.type().id(),
              Arrays.toString(levels)));
    }
    return tensor;
  }

  /** Whether anything says so, so that a part that is missing then is missed. */
  private boolean isNested() {
    String absmax = weight + BnbFormat.ABSMAX;
    return checkpoint.names().contains(weight + BnbFormat.NESTED_ABSMAX)
        || checkpoint.names().contains(weight + BnbFormat.NESTED_QUANT_MAP)
        || (checkpoint.names().contains(absmax) && checkpoint.info(absmax).dtype() == DType.U8);
  }

  private String stateName() {
    List<String> found =
        List.of(QuantType.NF4, QuantType.FP4).stream()
            .map(type -> weight + BnbFormat.QUANT_STATE + type.id())
            .filter(checkpoint.names()::contains)
            .toList();
    if (found.size() != 1) {
      throw wrong(
          weight,
          String.format(
              Locale.ROOT,
              "expected exactly one of %snf4 and __fp4, found %s",
              weight + BnbFormat.QUANT_STATE,
              found));
    }
    return found.get(0);
  }

  private BlockScales plainScales() {
    float[] absmax = floats(weight + BnbFormat.ABSMAX);
    checkScales(weight + BnbFormat.ABSMAX, absmax);
    return new BlockScales.Plain(absmax);
  }

  private BlockScales nestedScales(QuantState.Nested nested) {
    String map = weight + BnbFormat.NESTED_QUANT_MAP;
    float[] absmax = floats(weight + BnbFormat.NESTED_ABSMAX);
    checkScales(weight + BnbFormat.NESTED_ABSMAX, absmax);
    return new BlockScales.Nested(
        bytes(weight + BnbFormat.ABSMAX, DType.U8),
        checking(map, () -> Codebook.ofDynamic(floats(map))),
        absmax,
        nested.blockSize(),
        nested.offset());
  }

  private void checkScales(String name, float[] absmax) {
    for (int i = 0; i < absmax.length; i++) {
      if (!(absmax[i] >= 0 && absmax[i] < Float.POSITIVE_INFINITY)) {
        throw wrong(
            name,
            String.format(
                Locale.ROOT, "expected finite scales from 0 on, found %s at %d", absmax[i], i));
      }
    }
  }

  Int8Tensor readInt8() {
    TensorInfo info = info(weight);
    if (info.dtype() != DType.I8) {
      throw wrong(weight, "expected I8 beside row scales, found " + info.dtype());
    }
    String format = BnbFormat.weightFormat(weight);
    if (checkpoint.names().contains(format) && !Arrays.equals(bytes(format, DType.U8), ROW_MAJOR)) {
      throw wrong(
          format, "expected 0 for row-major, found " + Arrays.toString(bytes(format, DType.U8)));
    }
    float[] scales = floats(BnbFormat.rowScales(weight));
    checkScales(BnbFormat.rowScales(weight), scales);
    return checking(
        weight,
        () ->
            // the source type is not in the file, and bitsandbytes quantizes from float16
            new Int8Tensor(
                FloatType.F16,
                info.dimensions(),
                buffer(weight),
                scales,
                Int8Tensor.Outliers.NONE));
  }

  private TensorInfo info(String name) {
    if (!checkpoint.names().contains(name)) {
      throw wrong(name, "expected this part of a quantized weight, found none");
    }
    return checkpoint.info(name);
  }

  private ByteBuffer buffer(String name) {
    info(name);
    return checkpoint.bytes(name);
  }

  private byte[] bytes(String name, DType type) {
    if (info(name).dtype() != type) {
      throw wrong(
          name, String.format(Locale.ROOT, "expected %s, found %s", type, info(name).dtype()));
    }
    byte[] values = new byte[buffer(name).remaining()];
    buffer(name).get(values);
    return values;
  }

  private float[] floats(String name) {
    if (info(name).dtype() != DType.F32) {
      throw wrong(name, "expected F32, found " + info(name).dtype());
    }
    ByteBuffer data = buffer(name).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[data.remaining() / 4];
    data.asFloatBuffer().get(values);
    return values;
  }

  private <T> T checking(String name, Supplier<T> work) {
    try {
      return work.get();
    } catch (QuantizationException e) {
      throw new QuantizationException(
          String.format(Locale.ROOT, "%s: '%s': %s", fileOf(name), name, e.getMessage()), e);
    }
  }

  private QuantizationException wrong(String name, String message) {
    return new QuantizationException(
        String.format(Locale.ROOT, "%s: '%s': %s", fileOf(name), name, message));
  }

  private Path fileOf(String name) {
    return checkpoint.names().contains(name) ? checkpoint.path(name) : checkpoint.path();
  }
}
