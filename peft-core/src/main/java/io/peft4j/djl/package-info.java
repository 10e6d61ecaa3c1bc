/**
 * For programs built on DJL: low-rank adaptation of DJL's own blocks, trained by DJL's trainer, and
 * tuned classifiers behind a DJL predictor.
 */
package io.peft4j.djl;
