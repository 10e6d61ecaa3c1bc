/**
 * How good predictions are: the usual measures of classification, regression and language models.
 */
package io.peft4j.eval;
