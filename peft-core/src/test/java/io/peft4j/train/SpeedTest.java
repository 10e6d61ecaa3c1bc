package io.peft4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class SpeedTest {

  @Test
  void countsFromTheStart() throws InterruptedException {
    Speed speed = new Speed();
    assertEquals(0, speed.examplesLately());
    assertEquals(0, speed.examplesPerSecond());
    for (int i = 0; i < 5; i++) {
      Thread.sleep(20);
      speed.add(8, 100);
    }
    double seconds = speed.seconds();
    assertTrue(seconds >= 0.1);
    // Within the window both are the mean since the start; the clock has gone on a little since.
    assertEquals(1, speed.examplesPerSecond() * seconds / 40, 0.2);
    assertEquals(1, speed.examplesLately() / speed.examplesPerSecond(), 0.2);
    assertEquals(12.5, speed.tokensLately() / speed.examplesLately(), 1e-9);
    assertEquals(12.5, speed.tokensPerSecond() / speed.examplesPerSecond(), 0.1);
  }
}
