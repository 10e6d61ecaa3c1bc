package io.peft4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.serve.Classified;
import io.peft4j.text.Tokens;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;

/** {@code POST /v1/embeddings}. */
final class EmbeddingEndpoint implements Endpoint {

  private final ServedModel served;
  private final Texts texts;

  EmbeddingEndpoint(ServedModel served, Texts texts) {
    this.served = served;
    this.texts = texts;
  }

  @Override
  public void answer(Call call, Fields fields) throws IOException, InterruptedException {
    Choice choice = Choice.of(call, fields, served);
    List<Tokens> inputs = texts.read(fields, choice.adapter());
    fields.only("encoding_format", "\"float\"", "\"base64\"");
    boolean packed = "base64".equals(fields.text("encoding_format", "float"));
    fields.only("dimensions");
    Requests.withoutEffect(fields);
    fields.end();
    List<Classified> vectors = texts.run(choice.adapter(), inputs);
    ObjectNode answer =
        JsonNodeFactory.instance.objectNode().put("object", "list").put("model", choice.model());
    ArrayNode data = answer.putArray("data");
    for (int i = 0; i < vectors.size(); i++) {
      ObjectNode each = data.addObject().put("object", "embedding").put("index", i);
      if (packed) {
        each.put("embedding", packed(vectors.get(i).scores()));
      } else {
        Requests.fill(each.putArray("embedding"), vectors.get(i).scores());
      }
    }
    call.json(200, answer.set("usage", Requests.usage(inputs)));
  }

  /** Little-endian float32 in base64, which OpenAI's own clients ask for. */
  private static String packed(float[] vector) {
    ByteBuffer bytes =
        ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(vector);
    return Base64.getEncoder().encodeToString(bytes.array());
  }
}
