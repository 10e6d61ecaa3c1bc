package app;

import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;

/** The same, started by Quarkus. */
@QuarkusMain
public class QuarkusApp implements QuarkusApplication {

  /** Arguments: those of {@link App}. */
  @Override
  public int run(String... arguments) {
    App.main(arguments);
    return 0;
  }
}
