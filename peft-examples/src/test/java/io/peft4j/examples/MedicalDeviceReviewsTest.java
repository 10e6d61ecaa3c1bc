package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The bundled reviews are fit to train on: whole, balanced, and no text twice or nearly so. */
class MedicalDeviceReviewsTest {

  private record Review(String text, String label) {

    int length() {
      return text.split(" ").length;
    }

    Set<String> words() {
      return Arrays.stream(text.toLowerCase(Locale.ROOT).split("[^\\p{L}\\p{N}]+"))
          .filter(word -> !word.isEmpty())
          .collect(Collectors.toSet());
    }
  }

  private static List<String> lines;
  private static List<Review> reviews;

  @BeforeAll
  static void read() throws IOException {
    try (InputStream in =
        MedicalDeviceReviewsTest.class.getResourceAsStream("medical_device_reviews.tsv")) {
      // a new decoder throws on malformed bytes
      String text =
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(in.readAllBytes())).toString();
      assertTrue(text.endsWith("\n") && !text.contains("\r"), "lines end with \\n");
      lines = text.lines().toList();
    }
    reviews =
        lines.stream()
            .skip(1)
            .map(line -> line.split("\t", -1))
            .map(fields -> new Review(fields[0], fields[1]))
            .toList();
  }

  @Test
  void everyLineIsATextAndALabel() {
    assertEquals("text\tlabel", lines.get(0));
    for (String line : lines) {
      assertEquals(2, line.split("\t", -1).length, line);
      assertTrue(!line.contains("\""), "no quoting: " + line);
    }
    for (Review review : reviews) {
      assertEquals(review.text().strip(), review.text());
      assertTrue(!review.text().contains("  "), review.text());
      assertTrue(review.length() >= 6 && review.length() <= 40, review.text());
    }
  }

  @Test
  void thereAreEnoughAndHalfAreOfEachLabel() {
    assertTrue(reviews.size() >= 400, reviews.size() + " reviews");
    assertEquals(reviews.size() / 2, count("positive"));
    assertEquals(reviews.size() / 2, count("negative"));
  }

  private static long count(String label) {
    return reviews.stream().filter(review -> review.label().equals(label)).count();
  }

  @Test
  void lengthDoesNotGiveTheLabelAway() {
    assertEquals(meanLength("positive"), meanLength("negative"), 1);
  }

  private static double meanLength(String label) {
    return reviews.stream()
        .filter(review -> review.label().equals(label))
        .mapToInt(Review::length)
        .average()
        .orElseThrow();
  }

  @Test
  void anyStretchOfTheFileHoldsBothLabels() {
    for (int from = 0; from + 64 <= reviews.size(); from += 64) {
      long positive =
          reviews.subList(from, from + 64).stream()
              .filter(review -> review.label().equals("positive"))
              .count();
      assertTrue(positive >= 16 && positive <= 48, positive + " of 64 from review " + from);
    }
  }

  @Test
  void noTwoReviewsAreAlike() {
    List<Set<String>> words = reviews.stream().map(Review::words).toList();
    for (int i = 0; i < words.size(); i++) {
      for (int j = 0; j < i; j++) {
        double likeness = jaccard(words.get(i), words.get(j));
        assertTrue(
            likeness < 0.6,
            likeness + ": " + reviews.get(i).text() + " / " + reviews.get(j).text());
      }
    }
  }

  private static double jaccard(Set<String> a, Set<String> b) {
    Set<String> common = new HashSet<>(a);
    common.retainAll(b);
    return (double) common.size() / (a.size() + b.size() - common.size());
  }
}
