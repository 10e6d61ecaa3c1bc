package io.peft4j.train;

import io.peft4j.data.BatchPlan;
import io.peft4j.data.EpochOrder;
import java.util.List;
import java.util.stream.IntStream;

/** Which examples each optimizer step takes: a function of the seed and the step. */
final class StepBatches {

  private final TrainingSet data;
  private final TrainingArguments arguments;
  private final int perEpoch;
  private BatchPlan epochPlan;
  private int epochOfPlan = -1;

  StepBatches(TrainingSet data, TrainingArguments arguments) {
    this.data = data;
    this.arguments = arguments;
    int batch = arguments.perDeviceTrainBatchSize();
    int batches = (data.size() + batch - 1) / batch;
    int accumulation = arguments.gradientAccumulationSteps();
    this.perEpoch = Math.max(1, (batches + accumulation - 1) / accumulation);
  }

  /** {@return steps in a pass over the data} */
  int perEpoch() {
    return perEpoch;
  }

  /** {@return steps of the whole run} */
  int total() {
    return arguments.maxSteps() > 0
        ? arguments.maxSteps()
        : (int) Math.ceil(arguments.numTrainEpochs() * perEpoch);
  }

  /** {@return how many passes {@code steps} are} */
  double epochs(int steps) {
    return (double) steps / perEpoch;
  }

  /** {@return whether a pass over the data ends with that many steps} */
  boolean endsEpoch(int steps) {
    return steps % perEpoch == 0;
  }

  /** {@return the batches, of places in the data, whose gradients step {@code step} sums} */
  List<int[]> of(int step) {
    int epoch = step / perEpoch;
    if (epoch != epochOfPlan) {
      int[] order = EpochOrder.permutation(data.size(), arguments.seed(), epoch);
      int batch = arguments.perDeviceTrainBatchSize();
      int[] lengths = IntStream.range(0, data.size()).map(data::length).toArray();
      epochPlan =
          arguments.groupByLength()
              ? BatchPlan.groupedByLength(lengths, order, batch)
              : BatchPlan.inOrder(order, batch);
      epochOfPlan = epoch;
    }
    int from = step % perEpoch * arguments.gradientAccumulationSteps();
    int to = Math.min(from + arguments.gradientAccumulationSteps(), epochPlan.batches().size());
    return epochPlan.batches().subList(from, to);
  }
}
