/** Methods that train or scale what the base has: (IA)³, BitFit, layer norms, everything. */
package io.peft4j.adapter.select;
