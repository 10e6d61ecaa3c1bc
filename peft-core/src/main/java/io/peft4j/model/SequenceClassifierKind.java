package io.peft4j.model;

import io.peft4j.model.batch.Reading;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.head.SequenceClassifierHead;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.Weights;
import java.util.List;

/** The head that a family has for sequences, with its labels and its problem type. */
final class SequenceClassifierKind implements HeadKind {

  /**
   * @param config with labels and problem type in it
   */
  private record Settled(ModelConfig config, Architecture architecture, HeadIdentity identity)
      implements Plan {

    @Override
    public String drawn() {
      return architecture.headName();
    }

    @Override
    public Parts build(Weights weights) {
      Reading reading = architecture.sequenceReading();
      List<Segment> body = architecture.body(weights, reading);
      Segment segment = architecture.classifier(weights, identity.labels().size());
      return new Parts(
          body, new SequenceClassifierHead(reading, segment, identity.task(), identity.labels()));
    }
  }

  @Override
  public Plan plan(Source source) {
    HeadIdentity identity = LabelledPlan.identity(source, source.architecture().headName());
    return new Settled(
        LabelledPlan.described(source.config(), identity), source.architecture(), identity);
  }
}
