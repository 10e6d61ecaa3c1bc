package io.peft4j;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.util.List;
import org.slf4j.LoggerFactory;

/** What the library warns of while this is open. */
public final class LoggedWarnings implements AutoCloseable {

  private final Logger logger = (Logger) LoggerFactory.getLogger("io.peft4j");
  private final ListAppender<ILoggingEvent> events = new ListAppender<>();

  public LoggedWarnings() {
    events.start();
    logger.addAppender(events);
  }

  /** {@return the warnings so far} */
  public List<String> lines() {
    return events.list.stream()
        .filter(event -> event.getLevel().isGreaterOrEqual(Level.WARN))
        .map(ILoggingEvent::getFormattedMessage)
        .toList();
  }

  @Override
  public void close() {
    logger.detachAppender(events);
  }
}
