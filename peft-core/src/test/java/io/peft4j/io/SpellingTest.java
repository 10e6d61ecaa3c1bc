package io.peft4j.io;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class SpellingTest {

  @Test
  void countsEdits() {
    assertEquals(3, Spelling.distance("kitten", "sitting"));
    assertEquals(4, Spelling.distance("", "rank"));
    assertEquals(0, Spelling.distance("rank", "rank"));
  }

  @Test
  void ordersByDistanceThenByName() {
    assertEquals(
        List.of("rank", "bank", "tank"),
        Spelling.nearest("rank", List.of("tank", "rank", "alpha", "bank", "bank"), 3));
  }

  @Test
  void meansOnlyWhatIsAtMostAThirdOff() {
    List<String> words = List.of("learning_rate", "rank", "seed");
    assertEquals(List.of("learning_rate"), Spelling.meant("lerning_rate", words));
    assertEquals(List.of(), Spelling.meant("temperature", words));
  }
}
