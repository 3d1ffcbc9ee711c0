import { NodeosError } from "../errors.ts";

/** A file is no FITS file, is broken, or holds what cannot be read as an image. Exit status 1. */
export class FitsError extends NodeosError {
  /** Always `FitsError`. */
  override readonly name = "FitsError";
}
