package io.peft4j.cli.importer;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The weights and nodes of an ONNX model, as far as an import needs them. Field numbers are those
 * of <a href="https://github.com/onnx/onnx/blob/main/onnx/onnx.proto">onnx.proto</a>. Weights are
 * not copied: they stay ranges of the file.
 */
record OnnxGraph(List<Node> nodes, List<Weight> weights) {

  /** {@code TensorProto.DataType.FLOAT}. */
  static final int FLOAT = 1;

  private static final int MODEL_GRAPH = 7;
  private static final int GRAPH_NODE = 1;
  private static final int GRAPH_INITIALIZER = 5;
  private static final int NODE_INPUT = 1;
  private static final int NODE_NAME = 3;
  private static final int NODE_OPERATOR = 4;
  private static final int TENSOR_DIMENSIONS = 1;
  private static final int TENSOR_TYPE = 2;
  private static final int TENSOR_NAME = 8;
  private static final int TENSOR_DATA = 9;

  /** An operation: its name, operator and the names of its inputs. */
  record Node(String name, String operator, List<String> inputs) {}

  /**
   * A constant of the graph.
   *
   * @param type a {@code TensorProto.DataType}
   * @param data its elements, little-endian; empty if the file has them in another way
   */
  record Weight(String name, int type, List<Long> shape, ByteBuffer data) {}

  /**
   * Reads a model.
   *
   * @param file the file's name, for messages
   * @param bytes the file's content
   * @throws IllegalArgumentException if it is not a valid protobuf message with a graph
   */
  static OnnxGraph read(String file, ByteBuffer bytes) {
    OnnxGraph graph = new OnnxGraph(new ArrayList<>(), new ArrayList<>());
    try {
      CodedInputStream in = CodedInputStream.newInstance(bytes);
      // so that a part that claims to be longer than the file is an error
      in.pushLimit(bytes.remaining());
      readFields(
          in,
          (field, tag) -> {
            if (field == MODEL_GRAPH) {
              readMessage(in, (part, partTag) -> graph.readPart(in, bytes, part, partTag));
            } else {
              in.skipField(tag);
            }
          });
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException(
          file + ": expected an ONNX model, found broken protobuf: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new IllegalStateException("reading from memory failed", e);
    }
    if (graph.nodes.isEmpty() || graph.weights.isEmpty()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: expected an ONNX model with nodes and weights, found %d nodes and %d weights",
              file,
              graph.nodes.size(),
              graph.weights.size()));
    }
    return graph;
  }

  private void readPart(CodedInputStream in, ByteBuffer bytes, int field, int tag)
      throws IOException {
    switch (field) {
      case GRAPH_NODE -> nodes.add(readNode(in));
      case GRAPH_INITIALIZER -> weights.add(readWeight(in, bytes));
      default -> in.skipField(tag);
    }
  }

  private static Node readNode(CodedInputStream in) throws IOException {
    String[] names = {"", ""};
    List<String> inputs = new ArrayList<>();
    readMessage(
        in,
        (field, tag) -> {
          switch (field) {
            case NODE_INPUT -> inputs.add(in.readString());
            case NODE_NAME -> names[0] = in.readString();
            case NODE_OPERATOR -> names[1] = in.readString();
            default -> in.skipField(tag);
          }
        });
    return new Node(names[0], names[1], List.copyOf(inputs));
  }

  private static Weight readWeight(CodedInputStream in, ByteBuffer bytes) throws IOException {
    String[] name = {""};
    int[] type = {0};
    List<Long> shape = new ArrayList<>();
    ByteBuffer[] data = {ByteBuffer.allocate(0)};
    readMessage(
        in,
        (field, tag) -> {
          switch (field) {
            case TENSOR_DIMENSIONS -> readNumbers(in, tag, shape);
            case TENSOR_TYPE -> type[0] = in.readInt32();
            case TENSOR_NAME -> name[0] = in.readString();
            case TENSOR_DATA -> {
              int length = in.readRawVarint32();
              int start = in.getTotalBytesRead();
              in.skipRawBytes(length);
              data[0] = bytes.slice(start, length);
            }
            default -> in.skipField(tag);
          }
        });
    return new Weight(name[0], type[0], List.copyOf(shape), data[0]);
  }

  /** Reads a repeated integer, which may be written one by one or packed. */
  private static void readNumbers(CodedInputStream in, int tag, List<Long> numbers)
      throws IOException {
    if (WireFormat.getTagWireType(tag) == WireFormat.WIRETYPE_VARINT) {
      numbers.add(in.readInt64());
      return;
    }
    int outer = in.pushLimit(in.readRawVarint32());
    while (in.getBytesUntilLimit() > 0) {
      numbers.add(in.readInt64());
    }
    in.popLimit(outer);
  }

  /** Takes one field, whole. */
  private interface FieldReader {
    void read(int field, int tag) throws IOException;
  }

  private static void readMessage(CodedInputStream in, FieldReader reader) throws IOException {
    int outer = in.pushLimit(in.readRawVarint32());
    readFields(in, reader);
    in.popLimit(outer);
  }

  private static void readFields(CodedInputStream in, FieldReader reader) throws IOException {
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      reader.read(WireFormat.getTagFieldNumber(tag), tag);
    }
  }
}
