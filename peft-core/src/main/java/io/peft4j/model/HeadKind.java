package io.peft4j.model;

import io.peft4j.data.LabelNames;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.head.Head;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Makes the head of a model that is loaded. A head of one's own, for example one that says
 * something of each token:
 *
 * <pre>{@code
 * Model model = Model.load(folder, options, HeadKind.labelled("classifier", TokenHead::new));
 * }</pre>
 */
public interface HeadKind {

  /** Says something of whole sequences; see {@link Model#load(Path, LoadOptions)}. */
  HeadKind SEQUENCE_CLASSIFIER = new SequenceClassifierKind();

  /** Says what token comes next; see {@link CausalLm#load}. */
  HeadKind LANGUAGE_MODEL = new LanguageModelKind();

  /**
   * A checkpoint that is being loaded.
   *
   * @param architecture what {@code config} describes
   */
  record Source(
      Path folder,
      ModelConfig config,
      Architecture architecture,
      Checkpoint checkpoint,
      LoadOptions options) {}

  /** A model's segments, up to the states that its head reads, and the head. */
  record Parts(List<Segment> body, Head head) {}

  /** What has been settled, before weights are read. */
  interface Plan {

    /** {@return the checkpoint's config, with what the head has settled} */
    ModelConfig config();

    /** {@return what that config describes} */
    Architecture architecture();

    /**
     * {@return the module that {@link LoadOptions.Head#NEW} draws although it is stored; null for
     * none}
     */
    String drawn();

    /** Takes all weights of the model. */
    Parts build(Weights weights);
  }

  /**
   * Makes sure that {@code config} is of a model that can have such a head, before anything else is
   * read.
   *
   * @throws IllegalArgumentException if it is not
   */
  default void check(ModelConfig config) {}

  /**
   * Settles what config, checkpoint and options say of the head.
   *
   * @throws IOException if the checkpoint cannot be read
   * @throws IllegalArgumentException if they contradict each other
   */
  Plan plan(Source source) throws IOException;

  /**
   * What a head with named outputs is made of.
   *
   * @param weights to ask for the head's own, such as {@link Weights#linearOrNew}
   * @param config the checkpoint's, with {@code labels} in it
   * @param hidden elements of a token's state
   * @param labels of the outputs, as config, checkpoint and options say: see {@link HeadIdentity}
   */
  record Site(Weights weights, ModelConfig config, int hidden, LabelNames labels) {}

  /** Makes a head with named outputs. */
  @FunctionalInterface
  interface Maker {
    Head make(Site site);
  }

  /**
   * {@return a kind of head whose outputs have names}
   *
   * @param module the name of the module that gives the logits
   */
  static HeadKind labelled(String module, Maker maker) {
    return source ->
        LabelledHead.plan(
            source,
            module,
            (weights, config, identity) -> {
              Architecture architecture = source.architecture();
              Head head =
                  maker.make(new Site(weights, config, architecture.hidden(), identity.labels()));
              return new Parts(architecture.body(weights, head.reading()), head);
            });
  }
}
