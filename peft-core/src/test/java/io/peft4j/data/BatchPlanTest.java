package io.peft4j.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class BatchPlanTest {
  /** The golden file is written by length_grouped.py beside it, from transformers. */
  @Test
  void groupingByLengthIsThatOfTransformers() throws IOException {
    ObjectMapper json = new ObjectMapper();
    JsonNode cases;
    try (InputStream in = BatchPlanTest.class.getResourceAsStream("length_grouped.json")) {
      cases = json.readTree(in);
    }
    for (JsonNode c : cases) {
      int[] lengths = json.convertValue(c.get("lengths"), int[].class);
      int[] order = json.convertValue(c.get("order"), int[].class);
      BatchPlan plan = BatchPlan.groupedByLength(lengths, order, c.get("batch").asInt());
      assertArrayEquals(json.convertValue(c.get("grouped"), int[].class), flat(plan));
    }
  }

  @Test
  void batchesFollowTheOrder() {
    BatchPlan plan = BatchPlan.inOrder(new int[] {3, 1, 0, 2, 4}, 2);
    assertEquals(3, plan.batches().size());
    assertArrayEquals(new int[] {0, 2}, plan.batches().get(1));
    assertArrayEquals(new int[] {4}, plan.batches().get(2));
    assertEquals(2 * 4 + 2 * 3 + 5, plan.paddedTokens(new int[] {1, 2, 3, 4, 5}));
    assertThrows(IllegalArgumentException.class, () -> BatchPlan.inOrder(new int[1], 0));
    assertEquals(0, BatchPlan.groupedByLength(new int[0], new int[0], 4).batches().size());
  }

  @Test
  void orderIsFixedForGood() {
    // A change of these values would change what a resumed run trains on.
    assertArrayEquals(new int[] {3, 1, 4, 2, 7, 6, 0, 5}, EpochOrder.permutation(8, 42, 0));
    assertFalse(Arrays.equals(EpochOrder.permutation(8, 42, 0), EpochOrder.permutation(8, 42, 1)));
    assertFalse(Arrays.equals(EpochOrder.permutation(8, 43, 0), EpochOrder.permutation(8, 42, 1)));
  }

  @Property(tries = 200)
  void everyExampleIsVisitedOnce(
      @ForAll @IntRange(max = 300) int n, @ForAll long seed, @ForAll @IntRange(max = 9) int epoch) {
    int[] order = EpochOrder.permutation(n, seed, epoch);
    int[] lengths = Arrays.stream(order).map(i -> 1 + i % 17).toArray();
    int[] visited = flat(BatchPlan.groupedByLength(lengths, order, 4));
    Arrays.sort(visited);
    assertArrayEquals(EpochOrder.sequential(n), visited);
  }

  @Property(tries = 300)
  void packingOverlapsNothingAndLosesNothing(
      @ForAll @Size(max = 200) List<@IntRange(min = 1, max = 64) Integer> sequences) {
    int[] lengths = ints(sequences);
    RowPacking packing = RowPacking.pack(lengths, 64);
    boolean[][] taken = new boolean[packing.rows()][64];
    for (int i = 0; i < lengths.length; i++) {
      for (int t = 0; t < lengths[i]; t++) {
        int at = packing.offset()[i] + t;
        assertFalse(taken[packing.row()[i]][at]);
        taken[packing.row()[i]][at] = true;
      }
    }
    long halfEmpty = 0;
    for (boolean[] row : taken) {
      int filled = 0;
      while (filled < 64 && row[filled]) {
        filled++;
      }
      for (int t = filled; t < 64; t++) {
        assertFalse(row[t], "rows have no gaps");
      }
      halfEmpty += filled <= 32 ? 1 : 0;
    }
    assertTrue(halfEmpty <= 1, "two half-empty rows could have been one");
  }

  @Property(tries = 200)
  void packingIsNearTheFewestRows(
      @ForAll @Size(min = 1, max = 8) List<@IntRange(min = 1, max = 20) Integer> sequences) {
    int[] lengths = ints(sequences);
    int fewest = fewestRows(lengths, 0, new int[lengths.length], 0, lengths.length);
    assertTrue(RowPacking.pack(lengths, 20).rows() <= 11 * fewest / 9.0 + 2 / 3.0);
  }

  @Test
  void packingRefusesWhatDoesNotFit() {
    assertThrows(IllegalArgumentException.class, () -> RowPacking.pack(new int[] {5, 9}, 8));
    assertThrows(IllegalArgumentException.class, () -> RowPacking.pack(new int[] {0}, 8));
    assertEquals(0, RowPacking.pack(new int[0], 8).rows());
  }

  /** By trying everything. */
  private static int fewestRows(int[] lengths, int i, int[] filled, int rows, int best) {
    if (rows >= best && i < lengths.length) {
      return best;
    }
    if (i == lengths.length) {
      return Math.min(rows, best);
    }
    for (int row = 0; row <= rows && row < lengths.length; row++) {
      if (filled[row] + lengths[i] <= 20) {
        filled[row] += lengths[i];
        best = fewestRows(lengths, i + 1, filled, Math.max(rows, row + 1), best);
        filled[row] -= lengths[i];
      }
    }
    return best;
  }

  private static int[] ints(List<Integer> values) {
    return values.stream().mapToInt(Integer::intValue).toArray();
  }

  private static int[] flat(BatchPlan plan) {
    return plan.batches().stream().flatMapToInt(Arrays::stream).toArray();
  }
}
