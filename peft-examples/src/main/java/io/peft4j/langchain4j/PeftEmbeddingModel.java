package io.peft4j.langchain4j;

import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.model.embedding.DimensionAwareEmbeddingModel;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import io.peft4j.serve.ClassificationRequest;
import io.peft4j.serve.Classified;
import io.peft4j.server.ServedModel;
import io.peft4j.text.Tokens;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * A served encoder, with an adapter, as LangChain4j's embedding model. Thread-safe. Texts longer
 * than the model takes are cut.
 */
public final class PeftEmbeddingModel extends DimensionAwareEmbeddingModel {

  private final ServedModel served;
  private final String adapter;

  /**
   * @param served stays the caller's
   * @param adapter its name; null for the base
   */
  public PeftEmbeddingModel(ServedModel served, String adapter) {
    if (served.kind() != ServedModel.Kind.ENCODER) {
      throw new IllegalArgumentException(
          "expected an encoder, found " + served.name() + ", of the kind " + served.kind());
    }
    this.served = served;
    this.adapter = adapter;
  }

  @Override
  public Response<List<Embedding>> embedAll(List<TextSegment> segments) {
    try {
      List<CompletableFuture<Classified>> vectors = new ArrayList<>();
      int tokens = 0;
      for (TextSegment segment : segments) {
        Tokens text = served.tokens(adapter, segment.text());
        tokens += text.length();
        vectors.add(
            served.router().classify(ClassificationRequest.of(adapter, text.ids(), text.types())));
      }
      List<Embedding> all = new ArrayList<>();
      for (CompletableFuture<Classified> vector : vectors) {
        all.add(Embedding.from(vector.join().scores()));
      }
      return Response.from(all, new TokenUsage(tokens));
    } catch (RuntimeException e) {
      throw Answering.told(e);
    }
  }
}
