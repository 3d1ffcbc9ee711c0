import type { KernelFiles, KernelWriter } from "../../ffi/kernel_root.ts";

/** A machine that can be read and changed. */
export type Kernel = KernelFiles & KernelWriter;

/** How one kind of thing is read and changed. */
export interface Driver {
  /** The value now, or `null` when the thing does not exist (any more). */
  read(kernel: KernelFiles, what: string): string | null;
  /** Gives it a value; `null` ends its existence. */
  write(kernel: Kernel, what: string, value: string | null): void;
  /** Its value shows a while after it was written: what reads as before may have been changed, and is put back. */
  readonly lags?: true;
}
