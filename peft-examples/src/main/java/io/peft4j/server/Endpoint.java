package io.peft4j.server;

import java.io.IOException;

/** Answers one kind of request that has a JSON object as body. */
@FunctionalInterface
interface Endpoint {

  /**
   * @throws ApiException if the request is refused
   */
  void answer(Call call, Fields fields) throws IOException, InterruptedException;
}
