package io.peft4j.hub;

import java.io.IOException;

/** Where an answer's body goes, as {@link Exchange} watches it. */
interface Incoming {
  /** When enough of the body had come to go on waiting for more, by {@link System#nanoTime()}. */
  long lastNews();

  /** Why the body was not taken, or null. */
  IOException failure();
}
