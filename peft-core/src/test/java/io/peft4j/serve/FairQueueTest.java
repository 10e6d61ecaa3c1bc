package io.peft4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class FairQueueTest {

  private record Request(String adapterName, int number) implements Waiting {
    @Override
    public long submitted() {
      return 0;
    }

    @Override
    public boolean late(long now) {
      return false;
    }

    @Override
    public boolean cancelled() {
      return false;
    }

    @Override
    public void end(GenerationResult.Finish finish) {
      throw new IllegalStateException();
    }

    @Override
    public void fail(RuntimeException why) {
      throw why;
    }
  }

  private static FairQueue<Request> queue() {
    FairQueue<Request> queue = new FairQueue<>();
    for (int i = 0; i < 5; i++) {
      queue.add(new Request("busy", i));
    }
    queue.add(new Request("calm", 5));
    queue.add(new Request(null, 6));
    queue.add(new Request("calm", 7));
    return queue;
  }

  private static List<Integer> drain(FairQueue<Request> queue, Set<String> skipped) {
    return Stream.generate(() -> queue.poll(skipped))
        .takeWhile(Objects::nonNull)
        .map(Request::number)
        .toList();
  }

  @Test
  void adaptersTakeTurns() {
    FairQueue<Request> queue = queue();
    assertEquals(8, queue.size());
    assertEquals(List.of(0, 5, 6, 1, 7, 2, 3, 4), drain(queue, Set.of()));
    assertEquals(0, queue.size());
    assertNull(queue.poll(Set.of()));
  }

  @Test
  void whoIsPutBackIsFirstOfItsLineAndWaits() {
    FairQueue<Request> queue = queue();
    Set<String> skipped = new HashSet<>();
    queue.putBack(queue.poll(skipped), skipped);
    assertEquals(List.of(5, 6, 7), drain(queue, skipped));
    assertEquals(List.of(0, 1, 2, 3, 4), drain(queue, Set.of()));
  }

  @Test
  void someAreTakenOut() {
    FairQueue<Request> queue = queue();
    assertEquals(4, queue.removeIf(request -> request.number() % 2 == 1).size());
    assertEquals(List.of(0, 6, 2, 4), drain(queue, Set.of()));
  }
}
