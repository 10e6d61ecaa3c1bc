package io.peft4j.djl;

import ai.djl.inference.Predictor;
import ai.djl.modality.Classifications;
import ai.djl.util.StringPair;
import io.peft4j.model.Model;
import io.peft4j.text.TextTokenizer;

/**
 * A text classifier, with whatever adapters are active on it, as a DJL model that hands out DJL
 * predictors.
 *
 * <pre>{@code
 * try (DjlClassifier classifier = DjlClassifier.of(adapted.model(), tokenizer);
 *     Predictor<String, Classifications> predictor = classifier.newPredictor()) {
 *   predictor.predict("The pump is loud.").best();
 * }
 * }</pre>
 *
 * <p>As always in DJL a predictor is for one thread; give each thread its own. The model below runs
 * one batch at a time, so several predictors are safe, and adapters are switched or merged only
 * while none is predicting. Owns neither the model nor the tokenizer, which have to outlive it.
 */
public final class DjlClassifier implements AutoCloseable {

  private final Model model;
  private final TextTokenizer tokenizer;
  private final ai.djl.Model djl;

  private DjlClassifier(Model model, TextTokenizer tokenizer, ai.djl.Model djl) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.djl = djl;
  }

  /** Wraps {@code model}, whose texts {@code tokenizer} encodes. */
  public static DjlClassifier of(Model model, TextTokenizer tokenizer) {
    ai.djl.Model djl = ai.djl.Model.newInstance("peft4j-classifier", "PyTorch");
    djl.setBlock(new ClassifierBlock(model));
    return new DjlClassifier(model, tokenizer, djl);
  }

  /** {@return DJL's view of the model, for predictors with a translator of one's own} */
  public ai.djl.Model djlModel() {
    return djl;
  }

  /**
   * {@return a predictor for texts, to be closed by the caller}
   *
   * @throws IllegalArgumentException if the model does regression or is no classifier
   */
  public Predictor<String, Classifications> newPredictor() {
    return djl.newPredictor(ClassificationTranslator.ofTexts(model, tokenizer));
  }

  /**
   * {@return a predictor for pairs of texts, to be closed by the caller}
   *
   * @throws IllegalArgumentException if the model does regression or is no classifier
   */
  public Predictor<StringPair, Classifications> newPairPredictor() {
    return djl.newPredictor(ClassificationTranslator.ofPairs(model, tokenizer));
  }

  /** Frees DJL's side; the model and the tokenizer stay open. */
  @Override
  public void close() {
    djl.close();
  }
}
