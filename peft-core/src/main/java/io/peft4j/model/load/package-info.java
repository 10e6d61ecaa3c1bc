/** From files to modules: configs, names, weights and the formats that they are kept in. */
package io.peft4j.model.load;
