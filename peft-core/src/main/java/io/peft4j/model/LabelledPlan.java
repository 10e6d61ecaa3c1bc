package io.peft4j.model;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.LabelNames;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.head.Head;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;

/**
 * A head whose outputs have names, as {@link HeadIdentity} settles them.
 *
 * @param config with the names in it
 * @param drawn the module that gives the logits
 */
record LabelledPlan(
    ModelConfig config,
    Architecture architecture,
    String drawn,
    LabelNames labels,
    HeadKind.Maker maker)
    implements HeadKind.Plan {

  static LabelledPlan of(HeadKind.Source source, String module, HeadKind.Maker maker) {
    HeadIdentity identity = identity(source, module);
    return new LabelledPlan(
        described(source.config(), identity),
        source.architecture(),
        module,
        identity.labels(),
        maker);
  }

  /** {@return what the head named {@code module} is to be} */
  static HeadIdentity identity(HeadKind.Source source, String module) {
    LoadOptions options = source.options();
    HeadIdentity own =
        HeadIdentity.of(source.folder(), source.config(), source.checkpoint(), module);
    if (options.head() != LoadOptions.Head.TRAINED) {
      return own.replaced(options.task(), options.labels());
    }
    boolean asked = options.task() != null || options.labels() != null;
    return asked ? own.meet(options.task(), options.labels()) : own;
  }

  /** The names say the number. */
  static ModelConfig described(ModelConfig config, HeadIdentity head) {
    ModelConfig described = config.without("num_labels").with(headConfig(head.labels()));
    return head.written() == null
        ? described
        : described.with(
            JsonNodeFactory.instance
                .objectNode()
                .put("problem_type", head.written().problemType()));
  }

  private static ObjectNode headConfig(LabelNames labels) {
    ObjectNode changes = JsonNodeFactory.instance.objectNode();
    ObjectNode id2label = changes.putObject("id2label");
    labels.id2label().forEach((id, name) -> id2label.put(id.toString(), name));
    ObjectNode label2id = changes.putObject("label2id");
    labels.label2id().forEach(label2id::put);
    return changes;
  }

  @Override
  public HeadKind.Parts build(Weights weights) {
    Head head = maker.make(new HeadKind.Site(weights, config, architecture.hidden(), labels));
    return new HeadKind.Parts(architecture.body(weights, head.reading()), head);
  }
}
