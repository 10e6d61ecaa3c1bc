"""The order in which io.peft4j.data.EpochOrder visits examples: java.util.Random's shuffle."""

MASK = (1 << 64) - 1


def signed32(x):
    x &= 0xFFFFFFFF
    return x - (1 << 32) if x >= 1 << 31 else x


class JavaRandom:
    def __init__(self, seed):
        self.state = (seed ^ 0x5DEECE66D) & ((1 << 48) - 1)

    def next(self, bits):
        self.state = (self.state * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
        return signed32(self.state >> (48 - bits))

    def next_int(self, bound):
        r = self.next(31)
        if bound & (bound - 1) == 0:
            return (bound * r) >> 31
        u = r
        while True:
            r = u % bound
            if signed32(u - r + bound - 1) >= 0:
                return r
            u = self.next(31)


def mix(z):
    z &= MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def permutation(n, seed, epoch):
    random = JavaRandom(mix(mix(seed) + (epoch + 1) * 0x9E3779B97F4A7C15))
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = random.next_int(i + 1)
        order[i], order[j] = order[j], order[i]
    return order
