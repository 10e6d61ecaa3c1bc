/**
 * A base with its adapters over HTTP: OpenAI's API, and what vLLM and SageMaker add to it. A thin
 * layer over {@link io.peft4j.serve.AdapterRouter} on the JDK's own server.
 */
package io.peft4j.server;
