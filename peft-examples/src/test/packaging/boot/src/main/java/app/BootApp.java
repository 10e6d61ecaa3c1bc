package app;

import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** The same, started by Spring Boot. */
@SpringBootApplication
public class BootApp implements CommandLineRunner {

  /** Arguments: those of {@link App}. */
  public static void main(String[] arguments) {
    SpringApplication.run(BootApp.class, arguments);
  }

  @Override
  public void run(String... arguments) {
    App.main(arguments);
  }
}
