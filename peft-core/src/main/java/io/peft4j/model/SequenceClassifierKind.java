package io.peft4j.model;

import io.peft4j.model.batch.Reading;
import io.peft4j.model.chain.Segment;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.head.SequenceClassifierHead;
import java.util.List;

/** The head that a family has for sequences, with its labels and its problem type. */
final class SequenceClassifierKind implements HeadKind {

  @Override
  public Plan plan(Source source) {
    Architecture architecture = source.architecture();
    return LabelledHead.plan(
        source,
        architecture.headName(),
        (weights, config, identity) -> {
          Reading reading = architecture.sequenceReading();
          List<Segment> body = architecture.body(weights, reading);
          Segment segment = architecture.classifier(weights, identity.labels().size());
          return new Parts(
              body,
              new SequenceClassifierHead(reading, segment, identity.task(), identity.labels()));
        });
  }
}
