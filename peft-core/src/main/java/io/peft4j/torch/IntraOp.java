package io.peft4j.torch;

import ai.djl.pytorch.jni.JniUtils;

/**
 * How many threads libtorch shares one operation among. The number is the calling thread's; threads
 * that have not run an operation yet take over the one set last.
 */
public final class IntraOp {

  private IntraOp() {}

  public static int threads() {
    Natives.engine(); // loads libtorch, if nobody has yet
    return JniUtils.getNumThreads();
  }

  public static void setThreads(int count) {
    JniUtils.setNumThreads(count);
  }
}
