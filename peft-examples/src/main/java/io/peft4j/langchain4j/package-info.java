/**
 * A router's model as LangChain4j has models: chat, streaming chat and embeddings, in the same
 * process. For programs that have {@code dev.langchain4j:langchain4j-core}.
 */
package io.peft4j.langchain4j;
