// Cooperative threads: a stack each, and a switch between two of them.
#pragma once
#include <cstddef>

namespace standin {

#if defined(__x86_64__)

// Saves what the ABI lets a callee keep, and the stack pointer; then the same backwards.
extern "C" void standin_switch(void** save, void* load);
asm(R"(
.text
.globl standin_switch
.type standin_switch, @function
standin_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size standin_switch, .-standin_switch
.section .note.GNU-stack,"",@progbits
.text
)");

struct FiberContext {
  void* stack_pointer = nullptr;

  void prepare(char* stack, size_t bytes, void (*entry)()) {
    auto top = reinterpret_cast<void**>(stack + bytes) - 1;  // as after a call: 8 from 16-byte alignment
    *top = nullptr;                                // entry never returns
    *--top = reinterpret_cast<void*>(entry);      // where the switch's ret goes
    for (int i = 0; i < 6; i++) *--top = nullptr;  // the six registers it pops
    stack_pointer = top;
  }
  void switch_to(FiberContext& other) { standin_switch(&stack_pointer, other.stack_pointer); }
};

#else
}  // namespace standin
#include <ucontext.h>
namespace standin {

struct FiberContext {
  ucontext_t context;

  void prepare(char* stack, size_t bytes, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = bytes;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
  }
  void switch_to(FiberContext& other) { swapcontext(&context, &other.context); }
};

#endif

}  // namespace standin
