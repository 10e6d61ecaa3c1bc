package io.peft4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.serve.AdapterInfo;
import java.io.IOException;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;

/** {@code GET /v1/models}: the base, and its adapters with it as parent. */
final class ModelsEndpoint {

  private final ServedModel served;
  private final long created = Instant.now().getEpochSecond();

  ModelsEndpoint(ServedModel served) {
    this.served = served;
  }

  void list(Call call) throws IOException {
    ObjectNode answer = JsonNodeFactory.instance.objectNode().put("object", "list");
    ArrayNode data = answer.putArray("data");
    data.add(base());
    List<AdapterInfo> adapters =
        served.adapters().stream().sorted(Comparator.comparing(AdapterInfo::name)).toList();
    adapters.forEach(adapter -> data.add(model(adapter.name()).put("parent", served.name())));
    call.json(200, answer);
  }

  void one(Call call, String name) throws IOException {
    if (name.equals(served.name())) {
      call.json(200, base());
    } else if (served.has(name)) {
      call.json(200, model(name).put("parent", served.name()));
    } else {
      throw ApiException.noModel(name);
    }
  }

  private ObjectNode base() {
    return model(served.name()).putNull("parent");
  }

  private ObjectNode model(String name) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", name)
        .put("object", "model")
        .put("created", created)
        .put("owned_by", "peft4j")
        .put("root", served.name())
        .put("max_model_len", served.maxLength());
  }
}
