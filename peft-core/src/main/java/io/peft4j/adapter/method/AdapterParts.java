package io.peft4j.adapter.method;

import ai.djl.ndarray.NDArray;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.EmbeddingAdapter;
import io.peft4j.model.module.Junction;
import io.peft4j.model.module.JunctionAdapter;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.model.module.ProjectionAdapter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What an adapter is made of: filled by {@link AdapterBuilder}, then {@link Adapter}'s. */
final class AdapterParts {

  /** Trained, by key. */
  final Map<String, NDArray> tensors = new LinkedHashMap<>();

  /** Saved and not trained, by key. */
  final Map<String, NDArray> frozen = new LinkedHashMap<>();

  /** Of a checkpoint only, by key. */
  final Map<String, NDArray> state = new LinkedHashMap<>();

  final Map<Linear, ProjectionAdapter> projections = new LinkedHashMap<>();
  final Map<Embedding, EmbeddingAdapter> embeddings = new LinkedHashMap<>();
  final Map<Junction, JunctionAdapter> junctions = new LinkedHashMap<>();
  final List<Attachment> attachments = new ArrayList<>();

  /** Trained in place of the base's. */
  final Map<Parameter, NDArray> overlays = new LinkedHashMap<>();

  /** What factors leave of dense weights, and of others. */
  final Map<Parameter, NDArray> residuals = new LinkedHashMap<>();

  final Map<Linear, Projection.Replacement> replacements = new LinkedHashMap<>();

  /** The base's own that came with the adapter, in place of this base's; and those by key. */
  final Map<Parameter, NDArray> carried = new LinkedHashMap<>();

  final Map<String, Parameter> carriedKeys = new LinkedHashMap<>();

  /** Tensors of the adapter's that its file has twice, by the second key. */
  final Map<String, Mirror> mirrors = new LinkedHashMap<>();

  final Map<Linear, Embedding> tied = new LinkedHashMap<>();

  /** Those of them whose table changes as the embedding's does. */
  final Set<Linear> tiedAlike = new LinkedHashSet<>();

  final Map<String, Adapter> used = new LinkedHashMap<>();
  Export export;
  StepHook hook;

  /**
   * A tensor that is in the file twice.
   *
   * @param of one of the adapter's own
   * @param turned whether the second time transposed
   */
  record Mirror(NDArray of, boolean turned) {}
}
