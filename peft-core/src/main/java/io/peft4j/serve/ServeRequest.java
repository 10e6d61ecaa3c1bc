package io.peft4j.serve;

import java.util.Map;

/** What is asked of an {@link AdapterRouter}, as a function that chooses the adapter sees it. */
public interface ServeRequest {

  /** {@return the adapter that was named, or null} */
  String adapter();

  /** {@return the token numbers of the text; not to be written to} */
  int[] tokens();

  /** {@return whatever the caller knows about the request, such as the headers it came with} */
  Map<String, String> attributes();
}
