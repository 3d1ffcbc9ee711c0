import type { Ledger } from "../plan/ledger.ts";
import type { ContainerSpec } from "./spec.ts";

/** Specifications of the containers in a ledger, oldest first. */
export function specsOf(ledger: Ledger): ContainerSpec[] {
  return ledger.holdings.map(({ spec }) => spec as ContainerSpec);
}
