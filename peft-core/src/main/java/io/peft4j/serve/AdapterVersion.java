package io.peft4j.serve;

import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.data.LabelNames;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/** What was registered under a name at some moment; the bare base is one too. */
final class AdapterVersion {

  /**
   * What its folder says.
   *
   * @param config null for the base
   * @param outputs rows of the head that it brings; 0 where it brings none
   * @param labels of its outputs; null where they have no names
   * @param bytes that its weights take in memory
   * @param stamp of its files
   */
  record Facts(
      Path folder,
      AdapterConfig config,
      int rank,
      String parent,
      int outputs,
      LabelNames labels,
      long bytes,
      FolderStamp stamp) {}

  private final String name;
  private final long number;
  private final Facts facts;
  private final AtomicLong requests = new AtomicLong();
  private volatile boolean loaded;
  private volatile boolean retired;
  private volatile String failure;

  // the model's thread only
  private Adapter adapter;
  private boolean together;
  private int users;
  private long lastUse;
  private long failedAt;

  AdapterVersion(String name, long number, Facts facts) {
    this.name = name;
    this.number = number;
    this.facts = facts;
  }

  /** {@return the base without adapter} */
  static AdapterVersion base(LabelNames labels, int outputs) {
    AdapterVersion base =
        new AdapterVersion(null, 0, new Facts(null, null, 0, null, outputs, labels, 0, null));
    base.together = true;
    return base;
  }

  /** {@return null for the base} */
  String name() {
    return name;
  }

  long number() {
    return number;
  }

  Facts facts() {
    return facts;
  }

  boolean isBase() {
    return facts.config == null;
  }

  /** {@return a name that no other version has} */
  String unique() {
    return name + "#" + number;
  }

  /** {@return whether another one, or none, is registered under the name since} */
  boolean retired() {
    return retired;
  }

  void retire() {
    retired = true;
  }

  void countRequest() {
    requests.incrementAndGet();
  }

  AdapterInfo info() {
    return new AdapterInfo(
        name,
        number,
        facts.folder,
        facts.config.peftType(),
        facts.rank,
        facts.parent,
        facts.labels,
        loaded,
        facts.bytes,
        requests.get(),
        failure);
  }

  boolean loaded() {
    return isBase() || loaded;
  }

  /** {@return null for the base, and for what is not loaded} */
  Adapter adapter() {
    return adapter;
  }

  /** {@return whether it runs in one pass with others of which that can be said} */
  boolean together() {
    return together;
  }

  void setLoaded(Adapter value, boolean runsTogether) {
    adapter = value;
    together = runsTogether;
    loaded = true;
    failure = null;
  }

  void setUnloaded() {
    adapter = null;
    loaded = false;
  }

  void setFailed(String reason) {
    failure = reason;
    failedAt = System.nanoTime();
  }

  String failure() {
    return failure;
  }

  long failedAt() {
    return failedAt;
  }

  boolean used() {
    return users > 0;
  }

  void use(long now) {
    users++;
    lastUse = now;
  }

  void release() {
    users--;
  }

  long lastUse() {
    return lastUse;
  }

  @Override
  public String toString() {
    return isBase() ? "the base" : unique();
  }
}
