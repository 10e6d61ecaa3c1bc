"""Runs every function in TorchScript on tensors that PyTorch believes to be on a GPU.

PyTorch's fake tensors have a device and a shape but no memory, so no GPU is needed, and an operation
on tensors of two devices fails as it would there. Numbers that steer an operation are 0-d or short
tensors on the CPU, as HostTensors makes them; a function that read one from the GPU would wait for it.

usage: check_devices.py FILE.py...     prints the number of functions, or what went wrong, and exits with 1
"""

import io
import re
import sys
import zipfile

import torch
from torch._subclasses.fake_tensor import FakeTensorMode


def load(source):
    name = re.search(r"^class (\w+)\(Module\)", source, re.M)[1]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as z:
        instance = b"\x80\x02c__torch__\n%s\n)\x81}(X\x08\x00\x00\x00training\x89ub." % name.encode()
        z.writestr("ops/data.pkl", instance)
        z.writestr("ops/code/__torch__.py", source)
        z.writestr("ops/constants.pkl", b"\x80\x02).")
        z.writestr("ops/version", "10\n")
        z.writestr("ops/byteorder", "little")
    archive.seek(0)
    return torch.jit.load(archive)


def with_numbers(source):
    """Fake tensors have no elements to index: what is read from a list of numbers is written out."""
    source = re.sub(r"int\(sizes\[(\d)\]\)", lambda m: str([10, 11, 11][int(m[1])]), source)
    source = re.sub(r"int\((?:settings|shape)\[\w\]\)", "7", source)
    return re.sub(r"float\((?:settings|hyper)\[\w\]\)", "0.5", source)


def f(*shape):
    return torch.empty(*shape, device="cuda")


def i(*shape):
    return torch.zeros(*shape, device="cuda", dtype=torch.int64)


def host(*values):
    return torch.tensor(values[0] if len(values) == 1 else values)


# R rows, L tokens, H heads of D, G of keys, K columns of keys, N rank, V classes
R, L, H, G, D, K, N, V = 2, 6, 4, 2, 8, 16, 3, 5
E = H * D


def arguments():
    x, y = f(R, L, E), f(R, L, V)
    a, b, scale = f(N, E), f(V, N), host(0.5)
    q, k, v = f(R, H, L, D), f(R, G, K, D), f(R, G, K, D)
    mask, angle = f(R, 1, L, K), f(R, 1, L, D // 2)
    square_mask = f(R, 1, L, L)
    lstm = [f(4 * N, E), f(4 * N, N), f(4 * N), f(4 * N)]
    return {
        "forward": [x],
        "to_bfloat16": [x],
        "to_float32": [x],
        "typed_like": [x.to(torch.bfloat16), x],
        "empty": [x, torch.tensor([2, 3]), host(6)],
        "empty_like": [x],
        "on_device": [x, torch.empty(2, 3)],
        "on_device_soon": [x, torch.empty(2, 3)],
        "overwrite": [f(2, 3), torch.empty(2, 3)],
        "dropout_mask": [x, host(100.0, 1.1, 5.0, 7.0)],
        "detach": [x],
        "detached_like": [x, x],
        "rows": [x, i(3)],
        "gelu_tanh": [x],
        "sigmoid": [x],
        "leaky_relu": [x],
        "silu": [x],
        "encoder_mask": [i(R, L), i(R, L)],
        "attention": [x, x, x, square_mask, host(H)],
        "product": [x, x, host(H)],
        "masked_softmax": [f(R, H, L, L), square_mask],
        "scores": [x, x, square_mask, host(H)],
        "weigh": [f(R, H, L, L), x, host(H)],
        "normalized": [x, scale],
        "rms_norm": [x, f(E), scale],
        "rms_norm_offset": [x, f(E), scale],
        "causal_mask": [i(R, L), i(R, K), i(R, L), i(R, K), host(4)],
        "angles": [i(R, L), f(D // 2)],
        "heads": [x, host(H)],
        "rotate": [x, f(R, 1, L, 2), f(R, 1, L, 2), host(H)],
        "rotate_all": [x, angle, angle, host(H)],
        "grouped_product": [q, k, scale],
        "grouped_scores": [q, k, mask, scale],
        "capped_scores": [q, k, mask, scale, scale],
        "grouped_weigh": [f(R, H, L, K), v],
        "grouped_attention": [q, k, v, mask, scale],
        "split": [x, torch.tensor([10, 11, 11])],
        "split_in_heads": [f(R, L, 3 * E), host(H)],
        "halves": [x],
        "soft_cap": [x, scale],
        "put": [f(R, H, K, D), f(R, H, 2, D), host(3)],
        "buffer": [q, host(32)],
        "pick": [x, i(3)],
        "low_rank": [x, a, b, scale],
        "lora": [y, x, a, b, scale],
        "lora_bias": [y, x, a, b, f(V), scale],
        "lora_embedding": [i(R, L), x, f(N, V), f(E, N), scale],
        "dora_factor": [a, b, scale, f(V), f(V), f(N, V)],
        "dora": [y, y, x, a, b, scale, f(V), f(V), f(N, V)],
        "dora_around": [y, y, x, a, b, scale, f(V)],
        "dora_whole": [y, x, a, b, scale, f(V), f(V), f(N, V)],
        "dora_whole_bias": [y, x, a, b, scale, f(V), f(V), f(N, V), f(V)],
        "dora_embedding": [i(R, L), x, f(N, V), f(E, N), scale, f(E), f(E), f(V, E)],
        "prepend": [x, f(3, E)],
        "routed_lora": [y, x, f(2, N, E), f(2, V, N), i(R)],
        "routed_linear": [x, f(2, V, E), i(R)],
        "routed_bias": [y, f(2, V), i(R)],
        "columns": [x, f(4, 9), host(2), host(3)],
        "gate_columns": [f(R, H, L, K), f(R, L, 2), host(1), host(0), host(3)],
        "pad_front": [mask, host(2)],
        "prefix_mask": [mask, i(R, L), host(2), host(4)],
        "scaled": [x, f(E)],
        "add_linear": [y, x, f(V, E)],
        "vera": [y, x, f(N, E + 1), f(V + 1, N), f(N), f(V)],
        "vera_delta": [f(V, E), f(N, E + 1), f(V + 1, N), f(N), f(V)],
        "hadamard": [x, f(V, N), f(N, E), f(V, N), f(N, E), scale],
        "kron": [x, f(2, 3), f(3, 2), scale],
        "matmul": [x, f(2, 3), f(3, 2)],
        "triplet_lora": [y, x, a, f(N, 1), b, scale],
        "triplet_delta": [x, a, f(N, 1), b, scale],
        "orthogonality": [f(3, 4)],
        "column_orthogonality": [f(4, 3)],
        "observe_importance": [f(3), f(3), f(3), f(3), host(1.0, 0.9, 0.8)],
        "multiply_": [f(3), f(3)],
        "contiguous": [x],
        "borrowed": [x, y],
        "row_range": [x, f(9, 2), host(2), host(3)],
        "at_least_zero": [i(R, L)],
        "virtual_rows": [i(R, L), x, f(3, E), host(1)],
        "lstm": [f(L, E)] + lstm + lstm,
        "mean_by_owner": [f(R, L, 1), i(R, L), host(2)],
        "fusion_scores": [f(R, L, 3, E), x],
        "fusion_context": [f(R, L, 3), f(R, L, 3, E)],
        "svd": [f(4, 3)],
        "qr": [f(4, 3)],
        "cross_entropy": [f(4, V), i(4)],
        "token_log_probs": [f(4, V), i(4)],
        "cross_entropy_gradient": [f(4, V), i(4), scale],
        "squared_error": [f(4, V), f(4, V)],
        "binary_cross_entropy": [f(4, V), f(4, V)],
        "global_norm": [[f(3), f(2, 2)]],
        "adamw": [[f(3)], [f(3)], [f(3)], [f(3)], host(*[0.5] * 8)],
    }


# parts of others, whose arguments are no tensors alone
PARTS = {"split_heads", "merge_heads", "turned", "stack", "repeat_heads", "lstm_pass"}
# fake tensors refuse to come to the CPU, since there is nothing to come; and what is on the CPU to stay
TO_THE_CPU = {"on_host", "pinned", "zeroed"}
# their result is the list of numbers that they were given
NOTHING_MADE = {"observe_importance", "adamw"}


def devices(result):
    parts = result if isinstance(result, (tuple, list)) else [result]
    return {part.device.type for part in parts}


def main():
    modules = {}
    for path in sys.argv[1:]:
        with open(path) as file:
            source = file.read()
        module = load(with_numbers(source))
        for name in re.findall(r"^  def (\w+)", source, re.M):
            modules[name] = module
    named = set(modules)
    failures = []
    with FakeTensorMode():
        table = arguments()
        for name in sorted(named ^ (set(table) | PARTS | TO_THE_CPU)):
            failures.append(name + ": in a file or in this table, not in both")
        for name, given in table.items():
            try:
                found = devices(getattr(modules[name], name)(*given))
                if found != {"cuda"} and name not in NOTHING_MADE:
                    failures.append(f"{name}: the result is on {found}")
            except Exception as e:  # whatever it is, it is the finding
                failures.append(f"{name}: {str(e).strip().splitlines()[-1]}")
        try:
            modules["add_linear"].add_linear(f(R, L, V), f(R, L, E), torch.empty(V, E))
            failures.append("tensors of two devices pass: this check checks nothing")
        except RuntimeError:
            pass
    print("\n".join(failures) or f"{len(table)} functions stay on the GPU")
    sys.exit(1 if failures else 0)


main()
