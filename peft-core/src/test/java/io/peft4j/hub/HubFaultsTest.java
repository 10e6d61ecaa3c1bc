package io.peft4j.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Downloads over a bad network, from a bad server, and at the same time. */
class HubFaultsTest extends HubTestBase {
  private final String blob = Hashes.sha256(WEIGHTS);

  private void assertComplete(Path snapshot) throws IOException {
    assertArrayEquals(WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
    assertEquals(ONE, Files.readString(repository().resolve("refs/main")));
    assertFalse(list(repository()).stream().anyMatch(f -> f.endsWith(".incomplete")));
  }

  private void assertNothingHalfDone() throws IOException {
    assertFalse(Files.exists(repository().resolve("blobs").resolve(blob)));
    assertFalse(Files.exists(repository().resolve("refs/main")));
    assertFalse(
        Files.exists(repository().resolve("snapshots").resolve(ONE).resolve("model.safetensors")));
  }

  @Test
  void cutConnectionsAreResumedWhereTheyBroke() throws IOException {
    hub.cuts.set(5); // more than there are retries: each brought something, so each is forgiven
    hub.cutAfter = 50_000;
    List<Long> reported = new ArrayList<>();
    DownloadProgress progress =
        (file, done, total) -> {
          if (file.equals("model.safetensors")) {
            assertEquals(WEIGHTS.length, total);
            reported.add(done);
          }
        };
    assertComplete(new ModelHub(config(null, false), progress).locate("org/model"));
    List<FakeHub.Seen> gets = hub.storeGets();
    assertEquals(6, gets.size());
    for (int i = 1; i < gets.size(); i++) {
      assertTrue(gets.get(i).range().matches("bytes=[1-9]\\d*-"), gets.get(i).range());
    }
    assertEquals(WEIGHTS.length, reported.get(reported.size() - 1));
    assertEquals(reported.stream().sorted().toList(), reported, "resuming goes only forwards");
  }

  @Test
  void aServerThatOnlyCutsIsGivenUpAndTheNextRunResumes() throws IOException {
    hub.cuts.set(1);
    hub.cutAfter = 100_000;
    hub.outages.set(0);
    DownloadProgress breakAfterCut =
        (file, done, total) -> {
          if (done > 0 && file.equals("model.safetensors")) {
            hub.cuts.set(1000);
            hub.cutAfter = 0;
          }
        };
    assertThrows(
        IOException.class,
        () -> new ModelHub(config(null, false), breakAfterCut).locate("org/model"));
    assertNothingHalfDone();
    Path part = repository().resolve("blobs").resolve(blob + ".incomplete");
    long there = Files.size(part);
    assertTrue(there > 0 && there <= 100_000, "" + there);
    int tries = hub.storeGets().size();
    assertTrue(tries >= 4 && tries <= 5, tries + " tries: the first, and 3 or 4 without any news");
    hub.cuts.set(0);
    hub.seen.clear();
    assertComplete(online().locate("org/model"));
    assertEquals("bytes=" + there + "-", hub.storeGets().get(0).range());
  }

  @Test
  void wrongChecksumsAreRemovedAndRefused() throws IOException {
    hub.corrupt = true;
    HubException e = assertThrows(HubException.class, () -> online().locate("org/model"));
    assertTrue(e.getMessage().contains("has the checksum "), e.getMessage());
    assertEquals(
        List.of(Hashes.gitBlob(new byte[0])),
        list(repository().resolve("blobs")),
        "only the empty file could not be corrupted; the next, a small one, failed its git"
            + " checksum");
    hub.corrupt = false;
    online().locate("org/model");
    Files.delete(repository().resolve("blobs").resolve(blob));
    Files.delete(repository().resolve("refs/main"));
    Files.delete(repository().resolve("snapshots").resolve(ONE).resolve("model.safetensors"));
    hub.corrupt = true;
    e = assertThrows(HubException.class, () -> online().locate("org/model"));
    assertTrue(e.getMessage().contains("instead of " + blob + "; it was removed"), e.getMessage());
    assertNothingHalfDone();
    assertFalse(list(repository()).stream().anyMatch(f -> f.endsWith(".incomplete")));
    hub.corrupt = false;
    assertComplete(online().locate("org/model"));
  }

  @Test
  void aPartOfSomethingElseIsFoundOut() throws IOException {
    Path part = repository().resolve("blobs").resolve(blob + ".incomplete");
    Files.createDirectories(part.getParent());
    Files.write(part, new byte[100]);
    HubException e = assertThrows(HubException.class, () -> online().locate("org/model"));
    assertTrue(e.getMessage().contains("has the checksum "), e.getMessage());
    Files.write(part, new byte[WEIGHTS.length + 1]);
    assertComplete(online().locate("org/model"));
  }

  @Test
  void aServerWithoutRangesStartsOver() throws IOException {
    hub.ignoresRange = true;
    hub.cuts.set(2);
    hub.cutAfter = 100_000;
    assertComplete(online().locate("org/model"));
  }

  @Test
  void otherBytesThanAskedForAreRefused() {
    hub.rangeError = 1;
    hub.cuts.set(1);
    hub.cutAfter = 100_000;
    HubException e = assertThrows(HubException.class, () -> online().locate("org/model"));
    assertTrue(e.getMessage().contains("was sent others: bytes "), e.getMessage());
  }

  @Test
  void aFullDiskIsSaidOnce() throws IOException {
    Path full = Path.of("/dev/full");
    if (!Files.exists(full)) {
      System.out.println("skipped: this system has no /dev/full");
    }
    assumeTrue(Files.exists(full));
    Path part = repository().resolve("blobs").resolve(blob + ".incomplete");
    Files.createDirectories(part.getParent());
    Files.createSymbolicLink(part, full);
    HubException e = assertThrows(HubException.class, () -> online().locate("org/model"));
    assertTrue(e.getMessage().startsWith("cannot write " + part), e.getMessage());
    assertEquals(1, hub.storeGets().size());
    assertNothingHalfDone();
    Files.delete(part);
  }

  @Test
  void aStalledConnectionIsDroppedAndResumed() throws IOException {
    hub.stalls.set(1);
    HubConfig usual = config(null, false);
    HubConfig impatient = usual.toBuilder().timeout(Duration.ofSeconds(3)).build();
    long begun = System.nanoTime();
    assertComplete(new ModelHub(impatient).locate("org/model"));
    assertTrue(System.nanoTime() - begun < TimeUnit.SECONDS.toNanos(60), "did not wait it out");
    assertEquals("bytes=" + WEIGHTS.length / 2 + "-", hub.storeGets().get(1).range());
  }

  @Test
  void outagesAreWaitedOutButNotForEver() throws IOException {
    hub.outages.set(3);
    assertComplete(online().locate("org/model"));
    hub.outages.set(1000);
    HubException e =
        assertThrows(HubException.class, () -> online().download(new ModelId("org/model", "main")));
    assertEquals(503, e.status());
    assertEquals(996, hub.outages.get(), "a first try and three more");
  }

  @Test
  void redirectsInACircleEnd() throws IOException {
    hub.renamed.put("org/model", "org/model");
    HubException e = assertThrows(HubException.class, () -> online().locate("org/model"));
    assertTrue(e.getMessage().contains("sends on more than 10 times"), e.getMessage());
  }

  @Test
  void threadsDownloadAFileOnce() throws Exception {
    hub.slowMillis = 300;
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      Callable<Path> task = () -> online().locate("org/model");
      for (Future<Path> done : threads.invokeAll(List.of(task, task, task, task))) {
        assertComplete(done.get());
      }
    } finally {
      threads.shutdownNow();
    }
    assertEquals(1, hub.storeGets().size());
  }

  @Test
  void processesDownloadAFileOnce() throws Exception {
    hub.slowMillis = 1500;
    List<Process> processes = new ArrayList<>();
    try {
      for (int i = 0; i < 2; i++) {
        processes.add(
            new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    LocateMain.class.getName(),
                    cache.toString(),
                    hub.endpoint().toString(),
                    "org/model")
                .inheritIO()
                .start());
      }
      for (Process process : processes) {
        assertTrue(process.waitFor(120, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue());
      }
    } finally {
      processes.forEach(Process::destroyForcibly);
    }
    assertComplete(offline().locate("org/model"));
    assertEquals(1, hub.storeGets().size());
  }
}
