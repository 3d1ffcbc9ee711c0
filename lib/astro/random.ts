const stateLength = 624;
const shiftLength = 397;

/** The generator mt19937 of Matsumoto and Nishimura: the same numbers as `std::mt19937` of C++. */
export class MersenneTwister {
  readonly #state = new Uint32Array(stateLength);
  #next = stateLength;

  /** A generator that begins with a seed of 32 bits. */
  constructor(seed: number) {
    this.#state[0] = seed;
    for (let i = 1; i < stateLength; i++) {
      const before = this.#state[i - 1];
      this.#state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
  }

  /** The next 32 bits, as a number from 0. */
  next(): number {
    if (this.#next === stateLength) this.#refill();
    let bits = this.#state[this.#next++];
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    return (bits ^ (bits >>> 18)) >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < stateLength; i++) {
      const bits = (state[i] & 0x80000000) | (state[(i + 1) % stateLength] & 0x7fffffff);
      state[i] = state[(i + shiftLength) % stateLength] ^ (bits >>> 1) ^ ((bits & 1) === 0 ? 0 : 0x9908b0df);
    }
    this.#next = 0;
  }

  /** A number from 0 to below 1 of 53 bits, made of two draws as libstdc++ makes it. */
  fraction(): number {
    const low = this.next();
    const value = (low + this.next() * 2 ** 32) / 2 ** 64;
    return value < 1 ? value : 1 - 2 ** -53;
  }

  /**
   * A whole number from 0 to below `count`, all equally likely: the method of Lemire, as in libstdc++ from GCC 11 on.
   *
   * @param count At most 2^32 - 1.
   */
  below(count: number): number {
    const range = BigInt(count);
    let product = BigInt(this.next()) * range;
    let low = product & 0xffffffffn;
    if (low < range) {
      const threshold = (2n ** 32n - range) % range;
      while (low < threshold) {
        product = BigInt(this.next()) * range;
        low = product & 0xffffffffn;
      }
    }
    return Number(product >> 32n);
  }
}

/** Numbers of the normal distribution, by the polar method of Marsaglia: they come in pairs. */
class Normal {
  #saved: number | null = null;

  next(random: MersenneTwister): number {
    if (this.#saved !== null) {
      const value = this.#saved;
      this.#saved = null;
      return value;
    }
    let x: number, y: number, square: number;
    do {
      x = 2 * random.fraction() - 1;
      y = 2 * random.fraction() - 1;
      square = x * x + y * y;
    } while (square > 1 || square === 0);
    const factor = Math.sqrt(-2 * Math.log(square) / square);
    this.#saved = x * factor;
    return y * factor;
  }
}

/** Numbers of the gamma distribution with a shape of 1 or more, by the method of Marsaglia and Tsang. */
class Gamma {
  readonly #normal = new Normal();
  readonly #d: number;
  readonly #c: number;

  constructor(shape: number) {
    this.#d = shape - 1 / 3;
    this.#c = 1 / Math.sqrt(9 * this.#d);
  }

  next(random: MersenneTwister): number {
    for (;;) {
      const n = this.#normal.next(random);
      const root = 1 + this.#c * n;
      if (root <= 0) continue;
      const v = root * root * root;
      const u = random.fraction();
      const isInside = u <= 1 - 0.0331 * n * n * n * n || Math.log(u) <= 0.5 * n * n + this.#d * (1 - v + Math.log(v));
      if (isInside) return this.#d * v;
    }
  }
}

/** Numbers of the beta distribution: of two of gamma, the share of the first. */
export class Beta {
  readonly #x: Gamma;
  readonly #y: Gamma;

  /** A distribution with two shapes, each of 1 or more. */
  constructor(a: number, b: number) {
    this.#x = new Gamma(a);
    this.#y = new Gamma(b);
  }

  /** The next number, from 0 to 1. */
  next(random: MersenneTwister): number {
    const x = this.#x.next(random);
    return x / (x + this.#y.next(random));
  }
}
