/** Where threads are, and how hot that is. */
export interface PlacementView {
  /** The core of each thread. */
  readonly cores: readonly number[];
  /** Power of each thread: its core's share of what the busy cores draw, or a guess from its activity. */
  readonly threadWatts: readonly number[];
  /** Temperature of every core. */
  readonly coreCelsius: readonly number[];
  /** How much hotter a core is for each watt that its thread draws. */
  readonly kelvinPerWatt: number;
}

/** A thread changes its core; the thread that is there, if any, takes the one that it leaves. */
export interface Move {
  /** Index of the thread. */
  readonly thread: number;
  /** The core that it goes to. */
  readonly toCore: number;
  /** How much cooler the hotter one of both cores will be. */
  readonly gainKelvin: number;
}

/**
 * Finds the move that cools the hottest busy core most; `null` when no move gains enough.
 *
 * What a move does is predicted by the power that moves, so threads that are equal on cores that are equal stay where they are.
 *
 * @param gainKelvinMin What a move, which costs the thread its caches, has to gain.
 */
export function coolestMove({ cores, threadWatts, coreCelsius, kelvinPerWatt }: PlacementView, gainKelvinMin = 1.5): Move | null {
  if (cores.length === 0) return null;
  const thread = cores.reduce((hottest, core, index) => coreCelsius[core] > coreCelsius[cores[hottest]] ? index : hottest, 0);
  const fromCelsius = coreCelsius[cores[thread]];
  let best: Move | null = null;
  coreCelsius.forEach((toCelsius, toCore) => {
    if (toCore === cores[thread]) return;
    const other = cores.indexOf(toCore);
    const movedKelvin = kelvinPerWatt * (threadWatts[thread] - (other < 0 ? 0 : threadWatts[other]));
    const gainKelvin = fromCelsius - Math.max(toCelsius + movedKelvin, fromCelsius - movedKelvin);
    if (gainKelvin >= gainKelvinMin && gainKelvin > (best?.gainKelvin ?? 0)) best = { thread, toCore, gainKelvin };
  });
  return best;
}

/** The cores after a move. */
export function applyMove(cores: readonly number[], { thread, toCore }: Move): number[] {
  const other = cores.indexOf(toCore);
  return cores.map((core, index) => index === thread ? toCore : index === other ? cores[thread] : core);
}
