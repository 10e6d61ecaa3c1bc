/**
 * The families that come with the library, a file each, which {@link
 * io.peft4j.model.family.Families} finds. Nobody names one.
 */
package io.peft4j.model.zoo;
