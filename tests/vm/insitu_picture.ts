/** Of `insitu.c`. */
const width = 48;
const height = 24;
const stepsPerFrame = 20;

/**
 * The picture that `insitu` must have made of its last frame: the same relaxation, in the same order of additions, so that
 * the last bit is the same.
 */
export function expectedPicture(frameCount: number): string {
  let now = Array.from({ length: height }, (_, y) => Array<number>(width).fill(y === 0 ? 1 : 0));
  for (let step = 0; step < frameCount * stepsPerFrame; step++) {
    now = now.map((row, y) =>
      row.map((value, x) =>
        y === 0 || y === height - 1 || x === 0 || x === width - 1
          ? value
          : (now[y - 1][x] + now[y + 1][x] + now[y][x - 1] + now[y][x + 1]) / 4
      )
    );
  }
  return `P2\n${width} ${height}\n255\n${now.map((row) => `${row.map((value) => Math.trunc(value * 255)).join(" ")}\n`).join("")}`;
}
