package io.peft4j.server;

/**
 * Which model a request is for: by the key {@code model}, or the header {@code X-Adapter}
 * (SageMaker's {@code X-Amzn-SageMaker-Adapter-Identifier} too); the base if it does not say.
 *
 * @param adapter its name; null for the base
 * @param model what the answer calls it
 */
record Choice(String adapter, String model) {

  private static final String[] HEADERS = {"X-Adapter", "X-Amzn-SageMaker-Adapter-Identifier"};

  static Choice of(Call call, Fields fields, ServedModel served) {
    return of(header(call), fields, served);
  }

  private static String header(Call call) {
    for (String name : HEADERS) {
      String value = call.header(name);
      if (value != null) {
        return value;
      }
    }
    return null;
  }

  /**
   * @param header null for none
   */
  static Choice of(String header, Fields fields, ServedModel served) {
    String model = fields.text("model", null);
    if (header != null && model != null && !model.equals(served.name()) && !model.equals(header)) {
      throw ApiException.bad(
          "model", "'model' says '" + model + "' and the header X-Adapter '" + header + "'");
    }
    String name = header != null ? header : model;
    if (name == null || name.equals(served.name())) {
      return new Choice(null, served.name());
    }
    if (!served.has(name)) {
      throw ApiException.noModel(name);
    }
    return new Choice(name, name);
  }
}
