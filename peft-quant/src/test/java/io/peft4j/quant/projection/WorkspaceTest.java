package io.peft4j.quant.projection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import ai.djl.ndarray.NDManager;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.quant.FloatType;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;

/** Rooms are a thread's own, so that passes overlap, and outlive it for the next one. */
class WorkspaceTest {

  private static <T> T inThread(Callable<T> call) throws InterruptedException, ExecutionException {
    FutureTask<T> task = new FutureTask<>(call);
    Thread thread = new Thread(task);
    thread.start();
    thread.join();
    return task.get();
  }

  @Test
  void aThreadHasItsOwnRoomsAndLeavesThemToTheNext() throws Exception {
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Workspace workspace = new Workspace(manager, FloatType.F32, false);
      String query = workspace.reserve("model.layers.0.self_attn.q_proj", 64);
      String down = workspace.reserve("model.layers.0.mlp.down_proj", 256);
      assertEquals(query, workspace.reserve("model.layers.11.self_attn.q_proj", 64));
      Room mine = workspace.own(query);
      assertSame(mine, workspace.own(query));
      assertNotSame(mine, workspace.own(down));
      assertNotSame(mine, workspace.shared());
      Room theirs = inThread(() -> workspace.own(query));
      assertNotSame(mine, theirs);
      assertSame(theirs, inThread(() -> workspace.own(query)));
    }
  }

  @Test
  void threadsMayRunAQuantizedModelAtTheSameTime() throws Exception {
    int[][] rows = QloraParityTest.sequences();
    try (CausalLm lm =
        CausalLm.load(
            QloraParityTest.folder().resolve("base"), QloraParityTest.options("float32"))) {
      List<float[]> alone = new ArrayList<>();
      for (int[] row : rows) {
        alone.add(logProbs(lm, row));
      }
      ExecutorService threads = Executors.newFixedThreadPool(4);
      try {
        List<Future<float[]>> together = new ArrayList<>();
        for (int round = 0; round < 3; round++) {
          for (int[] row : rows) {
            together.add(threads.submit(() -> logProbs(lm, row)));
          }
        }
        for (int i = 0; i < together.size(); i++) {
          assertArrayEquals(alone.get(i % rows.length), together.get(i).get());
        }
      } finally {
        threads.shutdown();
      }
    }
  }

  private static float[] logProbs(CausalLm lm, int[] row) {
    List<TokenSequence> sequence = List.of(lm.sequence(row));
    return lm.logProbs(sequence)[0];
  }
}
