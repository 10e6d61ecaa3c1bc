package io.peft4j.cli.importer;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import io.peft4j.io.MappedFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/**
 * Reads a BERT out of a zipped TensorFlow SavedModel as the original authors' code names it: {@code
 * module/bert/encoder/layer_3/attention/self/query/kernel}, kernels being [in, out]. The variables
 * are a "tensor bundle": a data file, and a {@linkplain LevelDbTable table} of {@code
 * BundleEntryProto} (<a
 * href="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto">tensor_bundle.proto</a>).
 */
final class TensorFlowImport {

  private static final String INDEX = "variables.index";
  private static final String DATA = "variables.data-00000-of-00001";
  private static final Map<String, String> MEMBERS =
      Map.of(
          "variables/" + INDEX,
          INDEX,
          "variables/" + DATA,
          DATA,
          "assets/vocab.txt",
          ModelFolder.VOCABULARY);

  private static final int ENTRY_TYPE = 1;
  private static final int ENTRY_SHAPE = 2;
  private static final int ENTRY_SHARD = 3;
  private static final int ENTRY_OFFSET = 4;
  private static final int ENTRY_SIZE = 5;
  private static final int ENTRY_CRC = 6;
  private static final int SHAPE_DIMENSION = 2;
  private static final int DIMENSION_SIZE = 1;
  private static final int DT_FLOAT = 1;

  private TensorFlowImport() {}

  /**
   * Makes a model's files.
   *
   * @param zip the zipped SavedModel
   * @param file its name, for messages
   * @param heads the number of attention heads
   * @param folder the folder to write to
   * @throws IOException if reading or writing fails
   * @throws IllegalArgumentException if the input is not that of a BERT in float32
   */
  static void run(InputStream zip, String file, int heads, Path folder) throws IOException {
    try {
      unpack(zip, file, folder);
      try (MappedFile index = MappedFile.open(folder.resolve(INDEX));
          MappedFile data = MappedFile.open(folder.resolve(DATA))) {
        BertWeights weights =
            collect(
                file,
                LevelDbTable.read(INDEX, index.buffer(0, index.length())),
                data.buffer(0, data.length()));
        BertWeights.Dimensions dimensions = weights.check();
        List<String> vocabulary = Files.readAllLines(folder.resolve(ModelFolder.VOCABULARY));
        BertFiles.writeTokenizer(folder, vocabulary, dimensions.vocabulary());
        weights.write(folder);
        BertFiles.writeConfig(folder, dimensions, heads);
      }
    } finally {
      Files.deleteIfExists(folder.resolve(INDEX));
      Files.deleteIfExists(folder.resolve(DATA));
    }
  }

  private static void unpack(InputStream stream, String file, Path folder) throws IOException {
    Map<String, String> missing = new HashMap<>(MEMBERS);
    ZipInputStream zip = new ZipInputStream(stream);
    for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
      String target = missing.remove(entry.getName());
      if (target != null) {
        Files.copy(zip, folder.resolve(target));
      }
    }
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected a zipped SavedModel with %s, found none of that name",
              file,
              missing.keySet()));
    }
  }

  private static BertWeights collect(String file, Map<String, ByteBuffer> index, ByteBuffer data) {
    BertWeights bert = new BertWeights(file, "bert.");
    for (Map.Entry<String, ByteBuffer> item : index.entrySet()) {
      if (item.getKey().isEmpty()) {
        continue; // the bundle's header
      }
      Entry entry = Entry.parse(item.getKey(), item.getValue());
      ByteBuffer bytes = entry.find(item.getKey(), data);
      String name = parameterOf(item.getKey());
      if (item.getKey().endsWith("/kernel")) {
        bert.addTransposed(name, entry.shape(), bytes);
      } else {
        bert.add(name, entry.shape(), bytes);
      }
    }
    return bert;
  }

  /** Hugging Face's name for a variable of the original code. */
  static String parameterOf(String variable) {
    return variable
        .replaceFirst("^module/", "")
        .replaceFirst("/layer_(\\d+)/", "/layer/$1/")
        .replaceFirst("/kernel$", "/weight")
        .replaceFirst("/gamma$", "/weight")
        .replaceFirst("/beta$", "/bias")
        .replaceFirst("/output_bias$", "/bias")
        .replaceFirst("_embeddings$", "_embeddings/weight")
        .replace('/', '.');
  }

  /** Where a variable lies in the data file. */
  private record Entry(long type, List<Long> shape, long shard, long offset, long size, int crc) {

    static Entry parse(String variable, ByteBuffer bytes) {
      try {
        UnknownFieldSet fields = UnknownFieldSet.parseFrom(ByteString.copyFrom(bytes.duplicate()));
        return new Entry(
            number(fields, ENTRY_TYPE),
            shape(fields),
            number(fields, ENTRY_SHARD),
            number(fields, ENTRY_OFFSET),
            number(fields, ENTRY_SIZE),
            fields.getField(ENTRY_CRC).getFixed32List().stream().findFirst().orElse(0));
      } catch (InvalidProtocolBufferException e) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: variable '%s': expected an entry of a tensor bundle, found broken protobuf",
                INDEX,
                variable),
            e);
      }
    }

    private static List<Long> shape(UnknownFieldSet fields) throws InvalidProtocolBufferException {
      List<Long> shape = new ArrayList<>();
      for (var message : fields.getField(ENTRY_SHAPE).getLengthDelimitedList()) {
        var dimensions = UnknownFieldSet.parseFrom(message).getField(SHAPE_DIMENSION);
        for (var dimension : dimensions.getLengthDelimitedList()) {
          shape.add(number(UnknownFieldSet.parseFrom(dimension), DIMENSION_SIZE));
        }
      }
      return shape;
    }

    private static long number(UnknownFieldSet fields, int field) {
      return fields.getField(field).getVarintList().stream().findFirst().orElse(0L);
    }

    /** The variable's bytes, checked against its checksum. */
    ByteBuffer find(String variable, ByteBuffer data) {
      if (type != DT_FLOAT || shard != 0) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: variable '%s': expected float32 (type 1) in shard 0, found type %d in shard %d",
                INDEX,
                variable,
                type,
                shard));
      }
      if (offset < 0 || size < 0 || offset > data.limit() - size) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: variable '%s': expected its data within %d bytes, found %d bytes at %d",
                DATA,
                variable,
                data.limit(),
                size,
                offset));
      }
      ByteBuffer bytes = data.slice((int) offset, (int) size);
      if (LevelDbTable.maskedCrc(bytes) != crc) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: variable '%s': expected the checksum %08x, found %08x",
                DATA,
                variable,
                crc,
                LevelDbTable.maskedCrc(bytes)));
      }
      return bytes;
    }
  }
}
