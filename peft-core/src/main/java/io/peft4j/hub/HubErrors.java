package io.peft4j.hub;

import java.net.http.HttpResponse;

/** Says what the hub's error answers mean and what to do about them. */
final class HubErrors {
  private HubErrors() {}

  /**
   * @param byHub whether the hub itself answered, not a store that it sent on to
   */
  static HubException of(
      HttpResponse<?> answer, HubRequest asked, HubConfig config, boolean byHub) {
    String said = config.withoutToken(answer.headers().firstValue("X-Error-Message").orElse(""));
    int status = answer.statusCode();
    String problem =
        byHub
            ? problem(answer, asked, config, said)
            : HubRequest.plain(answer.uri())
                + ", where the hub keeps "
                + asked.file()
                + " of "
                + asked.id()
                + ", failed";
    return new HubException(
        problem + " (HTTP " + status + (said.isEmpty() ? "" : ", " + said) + ")", status);
  }

  private static String problem(
      HttpResponse<?> answer, HubRequest asked, HubConfig config, String said) {
    ModelId id = asked.id();
    String page = HubRequest.plain(config.endpoint()) + "/" + id.repository();
    boolean anonymous = config.token() == null;
    int status = answer.statusCode();
    String code = answer.headers().firstValue("X-Error-Code").orElse("");
    switch (code) {
      case "GatedRepo":
        return id
            + " is gated: accept its conditions at "
            + page
            + " and set HF_TOKEN to a token of that account";
      case "RevisionNotFound":
        return id.repository() + " has no revision '" + id.revision() + "'";
      case "EntryNotFound":
        return id + " has no file " + asked.file();
      default:
        break;
    }
    if (status == 401 && said.startsWith("Invalid credentials")) {
      return HubRequest.plain(config.endpoint()) + " does not accept the token; check HF_TOKEN";
    }
    if (status == 401 || status == 404) { // the hub does not tell which
      return "there is no model "
          + page
          + ", or it is private and "
          + (anonymous ? "no HF_TOKEN is set" : "the token may not read it");
    }
    if (status == 403) {
      return "access to " + id + " is denied" + (anonymous ? "; no HF_TOKEN is set" : "");
    }
    return HubRequest.plain(answer.uri()) + " failed";
  }
}
