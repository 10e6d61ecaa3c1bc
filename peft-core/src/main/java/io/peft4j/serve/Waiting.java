package io.peft4j.serve;

/** A request on its way to the model's thread. */
interface Waiting {

  /** {@return the adapter it is for, null for the base} */
  String adapterName();

  /** {@return when it was made, as of the system's clock} */
  long submitted();

  /** {@return whether it has a deadline, and that is over} */
  boolean late(long now);

  /** {@return whether nobody wants its result any more} */
  boolean cancelled();

  /** Ends it before it has begun. */
  void end(GenerationResult.Finish finish);

  /** Ends it exceptionally. */
  void fail(RuntimeException why);
}
