/** The practice projects: small, complete jobs, each a program of its own. */
package io.peft4j.examples;
