package io.peft4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.eval.Metrics;
import io.peft4j.serve.Classified;
import io.peft4j.text.Tokens;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.UUID;

/** {@code POST /v1/classify}, as vLLM's server has it, with the logits besides. */
final class ClassifyEndpoint implements Endpoint {

  private final ServedModel served;
  private final Texts texts;

  ClassifyEndpoint(ServedModel served, Texts texts) {
    this.served = served;
    this.texts = texts;
  }

  @Override
  public void answer(Call call, Fields fields) throws IOException, InterruptedException {
    Choice choice = Choice.of(call, fields, served);
    List<Tokens> inputs = texts.read(fields, choice.adapter());
    Requests.withoutEffect(fields);
    fields.end();
    Task task = served.task(choice.adapter());
    List<Classified> results = texts.run(choice.adapter(), inputs);
    ObjectNode answer =
        JsonNodeFactory.instance
            .objectNode()
            .put("id", "classify-" + UUID.randomUUID().toString().replace("-", ""))
            .put("object", "list")
            .put("created", Instant.now().getEpochSecond())
            .put("model", choice.model());
    ArrayNode data = answer.putArray("data");
    for (int i = 0; i < results.size(); i++) {
      Classified result = results.get(i);
      fill(data.addObject().put("index", i), result.scores(), task, result.labels());
    }
    call.json(200, answer.set("usage", Requests.usage(inputs)));
  }

  private static void fill(ObjectNode json, float[] logits, Task task, LabelNames labels) {
    if (task == Task.SINGLE_LABEL) {
      json.put("label", labels.name(Metrics.argmax(logits)));
    } else if (task == Task.MULTI_LABEL) {
      ArrayNode chosen = json.putArray("label");
      for (int i = 0; i < logits.length; i++) {
        if (logits[i] > 0) {
          chosen.add(labels.name(i));
        }
      }
    } else if (logits.length == 1) {
      json.put("label", logits[0]);
    } else {
      Requests.fill(json.putArray("label"), logits);
    }
    if (task != Task.REGRESSION) {
      double[] probabilities = task.probabilities(logits);
      ArrayNode probs = json.putArray("probs");
      ArrayNode names = json.putArray("labels");
      for (int i = 0; i < probabilities.length; i++) {
        probs.add(probabilities[i]);
        names.add(labels.name(i));
      }
    }
    Requests.fill(json.putArray("logits"), logits);
    json.put("num_classes", logits.length);
  }
}
