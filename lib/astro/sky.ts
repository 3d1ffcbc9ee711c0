import { MersenneTwister } from "./random.ts";

/** A made-up piece of sky, the same for the same seed. */
export interface SkyOptions {
  /** Pixels of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Of the random numbers. */
  readonly seed: number;
}

/** A star: where it is, how bright. */
interface Star {
  readonly x: number;
  readonly y: number;
  readonly flux: number;
}

const skyLevel = 200;
const noiseSigma = 12;
/** Width of a star's image. */
const sigma = 1.3;
const deadShare = 0.0005;

/** Exposures of the same stars: each with noise, cosmic rays, something that moves and now and then a satellite. */
export class MadeUpSky {
  readonly #random: MersenneTwister;
  readonly #stars: readonly Star[];
  readonly #dead: readonly number[];
  #spare: number | null = null;

  /** A sky. */
  constructor(readonly options: SkyOptions) {
    this.#random = new MersenneTwister(options.seed);
    const pixelCount = options.width * options.height;
    this.#stars = Array.from({ length: Math.ceil(pixelCount / 900) }, () => ({
      x: this.#random.fraction() * options.width,
      y: this.#random.fraction() * options.height,
      flux: Math.min(60_000, 150 / (this.#random.fraction() + 0.002) ** 1.1),
    }));
    this.#dead = Array.from({ length: Math.ceil(pixelCount * deadShare) }, () => this.#random.below(pixelCount));
  }

  /** Where the thing that moves is in an exposure. */
  moving(layer: number): { readonly x: number; readonly y: number } {
    const { width, height } = this.options;
    return { x: width * 0.12 + layer * width * 0.027, y: height * 0.3 + layer * height * 0.013 };
  }

  /** The next exposure; number them from 0. Dead pixels are NaN. */
  expose(layer: number): Float32Array<ArrayBuffer> {
    const { width, height } = this.options;
    const image = new Float32Array(width * height);
    for (let i = 0; i < image.length; i++) {
      const gradient = 8 * (i % width) / width;
      image[i] = skyLevel + gradient + noiseSigma * this.#normal();
    }
    for (const star of this.#stars) this.#add(image, star);
    this.#add(image, { ...this.moving(layer), flux: 9000 });
    const rayCount = Math.ceil(width * height / 6000);
    for (let ray = 0; ray < rayCount; ray++) this.#cosmicRay(image);
    if (layer % 7 === 3) this.#satellite(image);
    for (const pixel of this.#dead) image[pixel] = NaN;
    return image;
  }

  #add(image: Float32Array, { x, y, flux }: Star): void {
    const { width, height } = this.options;
    const peak = flux / (2 * Math.PI * sigma ** 2);
    const reach = Math.ceil(sigma * 5);
    for (let row = Math.max(0, Math.floor(y) - reach); row <= Math.min(height - 1, Math.floor(y) + reach); row++) {
      for (let column = Math.max(0, Math.floor(x) - reach); column <= Math.min(width - 1, Math.floor(x) + reach); column++) {
        image[column + row * width] += peak * Math.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma ** 2));
      }
    }
  }

  /** A short straight track, as sharp as pixels are. */
  #cosmicRay(image: Float32Array): void {
    const length = 1 + this.#random.below(9);
    this.#track(image, length, 300 + 2500 * this.#random.fraction());
  }

  #satellite(image: Float32Array): void {
    const { width, height } = this.options;
    const [from, to] = [this.#random.fraction() * height, this.#random.fraction() * height];
    for (let x = 0; x < width; x += 0.5) this.#add(image, { x, y: from + (to - from) * x / width, flux: 250 });
  }

  #track(image: Float32Array, length: number, value: number): void {
    const { width, height } = this.options;
    const angle = this.#random.fraction() * 2 * Math.PI;
    const [x, y] = [this.#random.fraction() * width, this.#random.fraction() * height];
    for (let step = 0; step < length; step++) {
      const [column, row] = [Math.floor(x + step * Math.cos(angle)), Math.floor(y + step * Math.sin(angle))];
      if (column >= 0 && row >= 0 && column < width && row < height) image[column + row * width] += value;
    }
  }

  /** A number of the normal distribution: the method of Box and Muller. */
  #normal(): number {
    if (this.#spare !== null) {
      const value = this.#spare;
      this.#spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random.fraction()));
    const angle = 2 * Math.PI * this.#random.fraction();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}
