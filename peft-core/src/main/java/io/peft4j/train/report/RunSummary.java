package io.peft4j.train.report;

import java.util.OptionalInt;

/**
 * A run that ended well.
 *
 * @param step optimizer steps done in all, those before a resume included
 * @param epoch passes over the training examples done, as a fraction
 * @param loss mean training loss of the steps since the run started or was resumed
 * @param seconds seconds since then
 * @param examplesPerSecond training examples a second since then, evaluations included
 * @param tokensPerSecond tokens a second without padding since then, evaluations included
 * @param memory the process's memory at the end; its peak is that of the whole process
 * @param stoppedEarly whether the run ended before its last step because it no longer improved
 * @param bestStep the step whose weights were kept, where the best evaluation decides
 */
public record RunSummary(
    int step,
    double epoch,
    double loss,
    double seconds,
    double examplesPerSecond,
    double tokensPerSecond,
    ProcessMemory memory,
    boolean stoppedEarly,
    OptionalInt bestStep) {}
