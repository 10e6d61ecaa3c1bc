package io.peft4j.io;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;

/** Finds what implements an interface of this module. */
public final class Services {

  private Services() {}

  /**
   * {@return one of each class that is found beside the service itself, and then by the thread that
   * asks, in whose class loader an application's may be}
   */
  public static <S> List<S> load(Class<S> service) {
    return load(service, service.getClassLoader(), Thread.currentThread().getContextClassLoader());
  }

  /**
   * {@return one of each class that {@link ServiceLoader} finds, in the order it finds them; a
   * loader may see another's too}
   *
   * @param loaders null for none
   */
  public static <S> List<S> load(Class<S> service, ClassLoader... loaders) {
    Map<String, S> found = new LinkedHashMap<>();
    for (ClassLoader loader : loaders) {
      if (loader != null) {
        ServiceLoader.load(service, loader).stream()
            .forEach(
                provider ->
                    found.computeIfAbsent(provider.type().getName(), name -> provider.get()));
      }
    }
    return List.copyOf(found.values());
  }
}
