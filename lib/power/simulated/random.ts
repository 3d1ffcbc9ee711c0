/** Repeatable noise: the same seed gives the same numbers on every machine. */
export class Noise {
  #state: number;

  /** A generator that begins with a seed of 32 bits. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number from 0 to below 1: a counter in steps of the golden ratio, its bits mixed. */
  fraction(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  }

  /** The next number of the normal distribution with mean 0 and deviation 1: the method of Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.fraction())) * Math.cos(2 * Math.PI * this.fraction());
  }
}
