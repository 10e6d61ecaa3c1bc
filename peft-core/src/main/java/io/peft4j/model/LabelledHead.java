package io.peft4j.model;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.data.LabelNames;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;

/** Settles heads whose outputs have names, as {@link HeadIdentity} says. */
final class LabelledHead {

  private LabelledHead() {}

  /** Builds a model on what has been settled. */
  @FunctionalInterface
  interface Builder {

    /**
     * @param config with the head's identity in it
     */
    HeadKind.Parts build(Weights weights, ModelConfig config, HeadIdentity identity);
  }

  /**
   * @param module the one that gives the logits
   */
  static HeadKind.Plan plan(HeadKind.Source source, String module, Builder builder) {
    HeadIdentity identity = identity(source, module);
    ModelConfig config = described(source.config(), identity);
    return new SettledPlan(
        config, source.architecture(), module, weights -> builder.build(weights, config, identity));
  }

  /** {@return what the head named {@code module} is to be} */
  private static HeadIdentity identity(HeadKind.Source source, String module) {
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
  private static ModelConfig described(ModelConfig config, HeadIdentity head) {
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
}
