package io.peft4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** How one of OpenAI's endpoints writes sequences: whole, and piece by piece. */
interface Style {

  /** {@return what identifiers begin with} */
  String prefix();

  /** {@return the name of a whole answer, and of a part of a streamed one} */
  String object(boolean streamed);

  /** {@return what a stream begins each sequence with; null for nothing} */
  ObjectNode opening(int sequence);

  /** {@return a choice with everything; the caller adds why it ended} */
  ObjectNode whole(int sequence, String text, List<TextGeneration.Scored> tokens);

  /** {@return a choice with what is new; the caller adds why it ended} */
  ObjectNode piece(TextGeneration.Piece piece);
}
