package io.peft4j.hub;

import java.net.URI;

/**
 * Something to ask of the hub.
 *
 * @param method GET or HEAD
 * @param address where
 * @param from the first byte wanted
 * @param id the model that it is about
 * @param file the file that it is about, or null
 */
record HubRequest(String method, URI address, long from, ModelId id, String file) {

  /**
   * An address as messages show it: the query may hold a signature that grants access, and a user
   * before the host a password.
   */
  static String plain(URI address) {
    return plain(address.toString());
  }

  /** The same of what may not even be an address. */
  static String plain(String address) {
    return address.replaceFirst("[?#].*", "").replaceFirst("//[^/]*@", "//");
  }
}
